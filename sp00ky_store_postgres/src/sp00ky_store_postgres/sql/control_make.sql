INSERT INTO {{control}} AS control (backend) VALUES ($1) ON CONFLICT DO NOTHING RETURNING control.backend

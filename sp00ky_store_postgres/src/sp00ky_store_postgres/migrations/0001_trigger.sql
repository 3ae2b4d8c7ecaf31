CREATE TRIGGER {{name}} AFTER INSERT ON {{table}}
FOR EACH STATEMENT
WHEN (current_setting('sp00ky.notify', true) IS DISTINCT FROM 'off')
EXECUTE FUNCTION {{function}}()

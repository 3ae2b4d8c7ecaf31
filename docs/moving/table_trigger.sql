-- Turn what is written to a hand-made outbox table into jobs, in the same transaction.
CREATE FUNCTION outbox_to_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO job (path, payload, assigned_to, ordering_key)
    SELECT route.path, NEW.payload::json, NEW.aggregate_id, NEW.aggregate_id
    FROM (
        VALUES ('order_placed', '/orders/placed'), ('order_paid', '/orders/paid')  -- yours, as in table.sql
    ) AS route (type, path)
    WHERE route.type = NEW.type;
    IF FOUND THEN
        NEW.sent_at = now();  -- so that the relay leaves it
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER outbox_to_job BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION outbox_to_job();

-- The lines of each contact's chat, numbered without gaps in the order in which they may be shown. The words stay in the
-- log, sealed: a line says only where. Rows commit with the watermark of `gateways` and can be made anew from the log.
CREATE TABLE gateways.chat_line (
    tenant text COLLATE "C" NOT NULL,
    pos bigint NOT NULL,                            -- of the fact that holds the words
    room text COLLATE "C" NOT NULL,                 -- stands for the contact (libs/channels/chat.py)
    number integer,                                 -- null: asked for, not accepted yet
    message uuid,                                   -- ours; null: the contact's
    draft text,                                     -- the streamed draft that it commits
    PRIMARY KEY (tenant, pos)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX ON gateways.chat_line (tenant, room, number) WHERE number IS NOT NULL;
CREATE UNIQUE INDEX ON gateways.chat_line (tenant, message) WHERE message IS NOT NULL;

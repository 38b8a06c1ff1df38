-- One line wherever a person would look for a difference between two schemas: tables, columns, constraints, indexes,
-- triggers, functions, rights; the same lines on every supported PostgreSQL.
SELECT line FROM (
SELECT 'schema ' || n.nspname FROM pg_namespace n WHERE n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT format('table %s.%s%s%s', n.nspname, c.relname,
    CASE WHEN c.relkind = 'p' THEN ' partitioned by ' || pg_get_partkeydef(c.oid) ELSE '' END,
    coalesce(' with ' || (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest(c.reloptions) o), ''))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT format('partition %s.%s of %s %s', n.nspname, c.relname, i.inhparent::regclass, pg_get_expr(c.relpartbound, c.oid))
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE c.relkind = 'r' AND n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT format('column %s.%s.%s %s%s%s%s storage %s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || l.collname ELSE '' END,
    CASE WHEN a.attnotnull THEN ' not null' ELSE '' END,
    coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') || CASE a.attidentity WHEN 'a' THEN ' identity' ELSE '' END,
    a.attstorage)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum LEFT JOIN pg_collation l ON l.oid = a.attcollation
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT format('domain %s.%s of %s', n.nspname, t.typname, format_type(t.typbasetype, t.typtypmod))
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype = 'd' AND n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT format('constraint %s.%s %s %s', n.nspname, c.relname, k.conname, pg_get_constraintdef(k.oid))
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT 'index ' || pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) AND n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(g.oid)
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT g.tgisinternal AND n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT format('function %s(%s) %s %s', p.oid::regproc, pg_get_function_identity_arguments(p.oid),
    CASE WHEN p.prosecdef THEN 'security definer' ELSE 'security invoker' END,
    md5(p.prosrc || coalesce(array_to_string(p.proconfig, ';'), '')))
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^(pg_|information_schema$|public$)'
UNION ALL
SELECT format('right %s %s %s %s', coalesce(r.rolname, 'public'), x.privilege_type, o.kind, o.name)
FROM (
    SELECT 'schema' AS kind, n.nspname::text AS name, n.nspacl AS acl, n.nspowner AS owner FROM pg_namespace n WHERE n.nspname !~ '^(pg_|information_schema$|public$)'
    UNION ALL
    SELECT 'table', n.nspname || '.' || c.relname, c.relacl, c.relowner
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S') AND n.nspname !~ '^(pg_|information_schema$|public$)'
    UNION ALL
    SELECT 'function', p.oid::regproc::text, p.proacl, p.proowner
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname !~ '^(pg_|information_schema$|public$)'
) o CROSS JOIN LATERAL aclexplode(o.acl) x LEFT JOIN pg_roles r ON r.oid = x.grantee
WHERE x.grantee <> o.owner
) AS facts (line) ORDER BY line COLLATE "C"

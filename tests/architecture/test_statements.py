import pytest

from tools.guards.statements import crowded_sql, statements

FUNCTION = """
-- Adds; nothing else.
CREATE FUNCTION log.add(a int) RETURNS int LANGUAGE plpgsql AS $body$
BEGIN
    PERFORM 1; -- one; two
    RETURN a + 1;
END
$body$;
REVOKE ALL ON FUNCTION log.add FROM PUBLIC;
COMMENT ON FUNCTION log.add IS 'it''s; fine';
"""


def test_semicolons_in_bodies_comments_and_texts_end_no_statement():
    assert len(statements(FUNCTION)) == 3
    assert statements("SELECT ';', \";\" /* ; */; -- ;\n") != []
    assert len(statements("SELECT ';', \";\" /* ; */; -- ;\n")) == 1


@pytest.mark.parametrize(
    ("sql", "crowded"), [(FUNCTION, 0), ("SELECT 1", 0), ("SELECT 1; SELECT 2", 1), ("-- empty", 1), (FUNCTION * 2, 1)]
)
def test_a_file_holds_one_statement_or_one_function_with_its_rights(sql, crowded, tmp_path):
    (tmp_path / "claim.sql").write_text(sql, encoding="utf-8")
    assert len(crowded_sql(tmp_path)) == crowded

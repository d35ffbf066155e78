"""Tables: escaped, whole, and the same in every run."""

from r1aqa_helpers.course.tables import Table

LONG = "word " * 40


def test_a_table_is_escaped_and_whole_and_has_its_caption() -> None:
    table = Table("a <caption>", [("<b>x</b>", 1.5), (LONG, None)], ["name", "<i>number</i>"])
    page = table._repr_html_()
    assert "<b>x" not in page and "<i>" not in page and "a &lt;caption&gt;</b></caption>" in page
    assert LONG.strip() in page and page.count("<tr") == 3 and page.count('scope="col"') == 2
    assert repr(table).splitlines()[:3] == ["a <caption>", "name; <i>number</i>", "<b>x</b>; 1.5"]


def test_a_table_may_have_no_head_and_no_rows() -> None:
    assert "<thead" not in Table("caption", [("a", "b")])._repr_html_()
    assert repr(Table("caption", [], ["a"])) == "caption\na"

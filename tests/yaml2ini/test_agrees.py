"""yaml2ini against PyYAML: both find the same configuration in a text, or the script refuses it in
words; never a wrong line.  EXAMPLES sets how many texts each test makes, and makes them other ones.
"""
import os
import re

from hypothesis import HealthCheck, given, settings

import oracle
import writer
from converter import convert

EXAMPLES = settings(max_examples=int(os.environ.get("EXAMPLES", "300")), derandomize="EXAMPLES" not in os.environ,
                    deadline=None, database=None, suppress_health_check=list(HealthCheck))
TOLD = re.compile(r"(stdin:[0-9]+: [^\n]+\n)*\Z")


def check(reader, text):
    """Returns the status, the porter.ini and what was told."""
    status, ini, told = convert(text)
    assert TOLD.match(told), told
    if status == 1:
        assert told and not ini
        return status, ini, told
    *config, unknown = oracle.config_of(text)
    assert (*config,) == oracle.config_of_ini(reader.sections(ini)), f"{text}\nbecomes\n{ini}"
    assert status == (2 if unknown else 0) and told.count("is left out, and what") == len(unknown)
    return status, ini, told


@EXAMPLES
@given(document=writer.documents())
def test_converts_what_is_written_in_any_style(reader, document):
    text, comments, maybe = document
    status, ini, told = check(reader, text)
    assert status != 1 and writer.SECRET not in ini + told, (text, ini, told)
    kept = re.findall(r"(?:^| );[ ]?(c[0-9]+.*)", ini, re.M)
    assert sorted(comments) == sorted(set(kept) - maybe), f"{text}\nbecomes\n{ini}"
    assert len(set(kept)) == len(kept), ini


@EXAMPLES
@given(text=writer.dumped())
def test_converts_what_pyyaml_writes(reader, text):
    status, ini, told = check(reader, text)
    assert status != 1 and writer.SECRET not in ini + told, (text, ini, told)


@EXAMPLES
@given(text=writer.damaged())
def test_converts_or_refuses_damaged_texts(reader, text):
    check(reader, text)


@EXAMPLES
@given(text=writer.scattered())
def test_converts_or_refuses_lines_in_wrong_places(reader, text):
    check(reader, text)

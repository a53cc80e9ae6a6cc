"""Trust policies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditchain.tlog.checkpoint import (
    BadCheckpoint,
    Checkpoint,
    format_checkpoint,
    sign_checkpoint,
)
from creditchain.tlog.cosignature import CosignatureSigner, format_cosigner_vkey
from creditchain.tlog.note import BadNote, Signer, UnverifiedNote, format_vkey, sign_note
from creditchain.tlog.policy import (
    POLICY_BYTES_MAX,
    POLICY_NAMES_MAX,
    BadPolicy,
    GroupLine,
    Policy,
    PolicyUnmet,
    format_policy,
    parse_policy,
)

LOG = Signer("log.example/credit", b"L" * 32)
NEXT_KEY = Signer("log.example/credit", b"N" * 32)
WITNESSES = {
    name: CosignatureSigner(f"{name.lower()}.example", name.encode() * 16)
    for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")
}
LOG_LINE = f"log {format_vkey(LOG.verifier)}\n"
LINES = {
    name: f"witness {name} {format_cosigner_vkey(signer.verifier)}\n"
    for name, signer in WITNESSES.items()
}

# C2SP tlog-policy, "Example policy", with keys filled in.
EXAMPLE = (
    LOG_LINE
    + "\n"
    + "".join(LINES[name] for name in ("X1", "X2", "X3"))
    + "group X-witnesses 2 X1 X2 X3\n\n"
    + "".join(LINES[name] for name in ("Y1", "Y2", "Y3"))
    + "group Y-witnesses any Y1 Y2 Y3\n\n"
    + "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
)

CHECKPOINT = Checkpoint(LOG.name, 3, b"r" * 32)
TEXT = format_checkpoint(CHECKPOINT)


def _signed(*cosigners: str, signer: Signer = LOG) -> str:
    lines = [WITNESSES[name].cosign(TEXT, 7).line for name in cosigners]
    return sign_checkpoint(CHECKPOINT, signer) + "".join(lines)


def test_the_example_of_the_specification_wants_two_x_and_one_y() -> None:
    policy = parse_policy(EXAMPLE)
    assert policy.satisfied_by(["X1", "X3", "Y2"])
    assert policy.satisfied_by(list(WITNESSES))
    for names in ([], ["X1", "X2", "X3"], ["Y1", "Y2", "Y3"], ["X1", "Y1", "Y2"]):
        assert not policy.satisfied_by(names)


def test_a_name_that_is_no_witness_adds_nothing() -> None:
    policy = parse_policy(EXAMPLE)
    assert not policy.satisfied_by(["X-witnesses", "Y-witnesses", "X-and-Y", "none", "Z"])


def test_the_quorum_may_be_one_witness_or_none() -> None:
    one = parse_policy(LINES["X1"] + "quorum X1\n")
    assert one.satisfied_by({"X1"})
    assert not one.satisfied_by(set())
    assert parse_policy("quorum none").satisfied_by([])


def test_blanks_comments_tabs_and_addresses_are_read_as_specified() -> None:
    text = (
        f"# a comment\n \t# another\n\n  {LOG_LINE[:-1]}\thttps://log.example/ \n"
        f"{LINES['X1'].replace(' ', chr(9))[:-1]} https://x1.example/\n\tquorum\t X1  "
    )
    policy = parse_policy(text.encode())
    assert policy.logs[0].url == "https://log.example/"
    assert policy.witnesses[0].url == "https://x1.example/"
    assert policy.quorum == "X1"
    assert parse_policy(format_policy(policy)) == policy


def test_the_example_is_formatted_and_parsed_back() -> None:
    policy = parse_policy(EXAMPLE)
    assert policy.groups[2] == GroupLine("X-and-Y", 2, ("X-witnesses", "Y-witnesses"))
    assert parse_policy(format_policy(policy)) == policy


@pytest.mark.parametrize(
    "text",
    [
        "",
        LOG_LINE,
        "quorum\n",
        "quorum X1\n",
        "quorum none\nquorum none\n",
        "quorum none none\n",
        f"quorum X1\n{LINES['X1']}",
        "Quorum none\n",
        "quorum\u00a0none\n",
        "quorum none\r\n",
        "quorum none\0\n",
        "quorum none\x7f\n",
        "log\nquorum none\n",
        f"log {format_cosigner_vkey(WITNESSES['X1'].verifier)}\nquorum none\n",
        f"witness W {format_vkey(LOG.verifier)}\nquorum none\n",
        f"witness {format_cosigner_vkey(WITNESSES['X1'].verifier)}\nquorum none\n",
        f"{LOG_LINE}{LOG_LINE}quorum none\n",
        f"{LOG_LINE[:-1]} a b\nquorum none\n",
        f"{LINES['X1']}{LINES['X1']}quorum none\n",
        LINES["X1"] + LINES["X1"].replace("X1", "X2", 1) + "quorum none\n",
        LINES["X1"].replace("X1", "none", 1) + "quorum none\n",
        f"{LINES['X1']}group X1 any X1\nquorum none\n",
        f"{LINES['X1']}group none any X1\nquorum none\n",
        f"{LINES['X1']}group g\nquorum none\n",
        f"{LINES['X1']}group g any\nquorum none\n",
        f"{LINES['X1']}group g all\nquorum none\n",
        f"{LINES['X1']}group g 0 X1\nquorum none\n",
        f"{LINES['X1']}group g 2 X1\nquorum none\n",
        f"{LINES['X1']}group g 01 X1\nquorum none\n",
        f"{LINES['X1']}group g -1 X1\nquorum none\n",
        f"{LINES['X1']}group g some X1\nquorum none\n",
        f"{LINES['X1']}group g any X1 X1\nquorum none\n",
        f"{LINES['X1']}group g any X2\nquorum none\n",
        f"{LINES['X1']}group g any g\nquorum none\n",
        f"{LINES['X1']}group g any none\nquorum none\n",
        f"{LINES['X1']}group g any X1\ngroup h any X1\nquorum none\n",
        "# \x01\nquorum none\n",
        "# \x7f\nquorum none\n",
        f"{LINES['X1'][:-1]} a b\nquorum none\n",
        "other line\nquorum none\n",
        "quorum none\n" + "#" * POLICY_BYTES_MAX,
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(BadPolicy):
        parse_policy(text)
    with pytest.raises(BadPolicy):
        parse_policy(text.encode())


def test_a_policy_is_utf_8() -> None:
    with pytest.raises(BadPolicy, match="UTF-8"):
        parse_policy(b"# \xff\nquorum none\n")


def test_a_refusal_names_the_line() -> None:
    with pytest.raises(BadPolicy, match="line 3"):
        parse_policy("# one\n# two\nlog nonsense\nquorum none\n")


def test_32_logs_witnesses_and_groups_fit_and_a_bound_holds() -> None:
    # tlog-policy, "Implementation limits".
    def policy(count: int) -> str:
        lines = []
        for i in range(count):
            seed = i.to_bytes(32)
            lines.append(f"log {format_vkey(Signer(f'log{i}.example', seed).verifier)}")
            witness = CosignatureSigner(f"w{i}.example", seed).verifier
            lines.append(f"witness w{i} {format_cosigner_vkey(witness)}")
            lines.append(f"group g{i} any w{i}")
        return "\n".join([*lines, "quorum g0", ""])

    assert len(parse_policy(policy(32)).groups) == 32
    most = policy(POLICY_NAMES_MAX)
    assert len(parse_policy(most).logs) == POLICY_NAMES_MAX
    log = format_vkey(Signer("one.more.example", bytes(32)).verifier)
    with pytest.raises(BadPolicy, match="more than 128 logs"):
        parse_policy(f"{most}log {log}\n")
    with pytest.raises(BadPolicy, match="more than 256 witnesses and groups"):
        parse_policy(f"{most}group one-more any g1\n")


def test_the_largest_file_fits() -> None:
    text = "quorum none\n#"
    assert parse_policy(text.ljust(POLICY_BYTES_MAX, "#")).quorum == "none"
    with pytest.raises(BadPolicy, match="at most"):
        parse_policy(text.ljust(POLICY_BYTES_MAX + 1, "#"))


@given(st.text(alphabet="log witnessgroupquorumnone X1 2\t#\n", max_size=60))
def test_any_text_gives_a_policy_or_the_one_error(text: str) -> None:
    for wanted in (text, f"{LINES['X1']}{text}\nquorum none\n"):
        try:
            policy = parse_policy(wanted)
        except BadPolicy:
            continue
        assert parse_policy(format_policy(policy)) == policy


def test_what_could_not_be_parsed_back_is_not_formatted() -> None:
    for quorum in ("", "a b", "undefined"):
        with pytest.raises(BadPolicy):
            format_policy(Policy((), (), (), quorum))


def test_a_checkpoint_with_the_quorum_opens() -> None:
    opened = parse_policy(EXAMPLE).open_checkpoint(_signed("Y1", "X3", "X2"))
    assert (opened.checkpoint, opened.note_text) == (CHECKPOINT, TEXT)
    assert [c.name for c in opened.cosignatures] == ["x2.example", "x3.example", "y1.example"]


def test_a_checkpoint_without_the_quorum_does_not_open() -> None:
    for cosigners in ((), ("X1", "Y1"), ("X1", "X1", "Y1")):
        with pytest.raises(PolicyUnmet, match="witnesses"):
            parse_policy(EXAMPLE).open_checkpoint(_signed(*cosigners))


def test_a_checkpoint_of_no_listed_log_does_not_open() -> None:
    with pytest.raises(PolicyUnmet, match="log"):
        parse_policy(EXAMPLE).open_checkpoint(_signed("X1", "X2", "Y1", signer=NEXT_KEY))
    with pytest.raises(UnverifiedNote):
        parse_policy("quorum none\n").open_checkpoint(_signed())


def test_a_listed_log_cannot_sign_for_another() -> None:
    foreign = sign_note(format_checkpoint(Checkpoint("other.example", 3, b"r" * 32)), [LOG])
    with pytest.raises(PolicyUnmet, match="log"):
        parse_policy(LOG_LINE + "quorum none\n").open_checkpoint(foreign)
    with pytest.raises(BadCheckpoint):
        parse_policy(LOG_LINE + "quorum none\n").open_checkpoint(sign_note("x\n", [LOG]))


def test_either_key_of_a_log_that_changes_keys_will_do() -> None:
    policy = parse_policy(f"{LOG_LINE}log {format_vkey(NEXT_KEY.verifier)}\nquorum none\n")
    for signer in (LOG, NEXT_KEY):
        assert policy.open_checkpoint(_signed(signer=signer)).checkpoint == CHECKPOINT


def test_a_cosignature_over_another_text_spoils_the_checkpoint() -> None:
    bad = WITNESSES["Y2"].cosign(TEXT.replace("3", "4"), 7).line
    with pytest.raises(BadNote):
        parse_policy(EXAMPLE).open_checkpoint(_signed("X1", "X2", "Y1") + bad)

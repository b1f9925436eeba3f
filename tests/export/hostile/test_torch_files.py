"""Rows 1, 2, 4 and 5 of the anchors: what torch saved, or pretends to have saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.shell import edgeguard
from tests.export.hostile.archives import Payload, edit, pack, payload
from tests.export.hostile.refusals import refuse, refuse_loading
from tests.networks import SHAPE, Tiny, inputs, trained_tiny

SAID = ",".join(map(str, SHAPE))
STATE = ("--defend", "--arch", "tests.networks:tiny", "--input-shape", SAID)


def test_the_payload_works(canary: Path) -> None:
    """Otherwise every test that looks for the canary would pass."""
    import pickle

    pickle.loads(payload(canary))
    assert canary.exists()


def test_row_1_a_pickle_payload(tmp_path: Path, canary: Path) -> None:
    torch.save({"weight": Payload(f"touch {canary}")}, tmp_path / "model.pt")
    refuse(tmp_path / "model.pt", "model.pt", "holds pickled code", "system", "--trust-pickle", options=STATE)
    assert not canary.exists()


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.onnx", "model"])
def test_row_1_a_bare_pickle(tmp_path: Path, canary: Path, name: str) -> None:
    (tmp_path / name).write_bytes(payload(canary))
    refuse_loading(tmp_path / name, "is a bare pickle", "weights_only=True", arch="tests.networks:tiny")
    assert not canary.exists()


def test_row_1_a_payload_that_the_scanner_cannot_read(tmp_path: Path, canary: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "honest.pt")
    broken = edit(tmp_path / "honest.pt", tmp_path / "model.pt", {"data.pkl": payload(canary)[:-1] + b"\xff."})
    refuse_loading(broken, "model.pt", arch="tests.networks:tiny", input_shape=SHAPE)
    assert not canary.exists()


def changed_weights(content: bytes) -> bytes:
    table = json.loads(content)
    next(iter(table["config"].values()))["use_pickle"] = True
    return json.dumps(table).encode()


def changed_target(target: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        table = json.loads(content)
        table["graph_module"]["graph"]["nodes"][0]["target"] = target
        return json.dumps(table).encode()

    return change


def changed_shape(expression: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        def visit(value: Any) -> bool:
            if isinstance(value, dict):
                if "expr_str" in value:
                    value["expr_str"] = expression
                    return True
                value = list(value.values())
            # All of them: the first one may be read by nobody.
            return isinstance(value, list) and sum(visit(each) for each in value) > 0

        table = json.loads(content)
        assert visit(table)
        return json.dumps(table).encode()

    return change


WEIGHTS = "data/weights/model_weights_config.json"
GRAPH = "models/model.json"
EVIL = "__import__('os').system('touch CANARY')"
PROGRAMS: dict[str, tuple[dict[str, Callable[[bytes], bytes]], str]] = {
    "pickled-weight": ({WEIGHTS: changed_weights}, "is pickled"),
    "system": ({GRAPH: changed_target("torch.os.system")}, "'torch.os.system', which is no tensor operator"),
    "eval": ({GRAPH: changed_target("builtins.eval")}, "which is no tensor operator"),
    "attribute": ({GRAPH: changed_target("_operator.attrgetter")}, "which is no tensor operator"),
    "load": ({GRAPH: changed_target("torch.hub.load")}, "which is no tensor operator"),
    "write": ({GRAPH: changed_target("torch.ops.aten.from_file.default")}, "from_file"),
    "forever": ({GRAPH: changed_target("torch.ops.higher_order.while_loop")}, "while_loop"),
    "shape": ({GRAPH: changed_shape(EVIL)}, "a shape is no plain expression"),
    "shape-attribute": ({GRAPH: changed_shape("Symbol.__class__")}, "a shape is no plain expression"),
    "shape-lambda": ({GRAPH: changed_shape("(lambda: 0)()")}, "a shape is no plain expression"),
    "shape-tower": ({GRAPH: changed_shape("9**9**9**9")}, "a shape is no plain expression"),
}


@pytest.mark.parametrize("kind", PROGRAMS)
def test_row_1_code_in_an_exported_program(files: Path, tmp_path: Path, canary: Path, kind: str) -> None:
    changes, said = PROGRAMS[kind]
    with_canary = {
        name: lambda content, change=change: change(content).replace(b"CANARY", str(canary).encode())
        for name, change in changes.items()
    }
    path = edit(files / "dynamic.pt2", tmp_path / "model.pt2", with_canary)
    refuse_loading(path, "model.pt2", said, "--trust-pickle")
    assert not canary.exists()


@pytest.mark.parametrize(
    "member", ["data/sample_inputs/model.pt", "data/weights/weight_0.pt", "data/constants/evil.pt", "data/x/EVIL.PT"]
)
def test_row_1_pickles_in_an_exported_program(files: Path, tmp_path: Path, canary: Path, member: str) -> None:
    for data in (payload(canary), pack(tmp_path / "inner", {"archive/data.pkl": payload(canary)}).read_bytes()):
        path = edit(files / "dynamic.pt2", tmp_path / "model.pt2", {member: data})
        refuse_loading(path, "holds pickled code", "--trust-pickle")
    assert not canary.exists()


@pytest.mark.parametrize("prefix", ["custom_obj_0", "opaque_obj_0"])
def test_row_1_a_custom_object_in_an_exported_program(files: Path, tmp_path: Path, canary: Path, prefix: str) -> None:
    config = {"config": {"thing": {"path_name": prefix, "is_param": False, "use_pickle": False, "tensor_meta": None}}}
    path = edit(
        files / "dynamic.pt2",
        tmp_path / "model.pt2",
        {
            "data/constants/model_constants_config.json": json.dumps(config).encode(),
            f"data/constants/{prefix}": payload(canary),
        },
    )
    refuse_loading(path, f"custom object ({prefix})")
    assert not canary.exists()


def test_row_1_compiled_code_in_an_exported_program(files: Path, tmp_path: Path) -> None:
    path = edit(files / "dynamic.pt2", tmp_path / "model.pt2", {"data/aotinductor/model/evil.so": b"\x7fELF"})
    refuse_loading(path, "is compiled code")


def test_row_1_an_exported_program_through_the_command_line(files: Path, tmp_path: Path, canary: Path) -> None:
    path = edit(files / "dynamic.pt2", tmp_path / "model.pt2", {"data/sample_inputs/model.pt": payload(canary)})
    refuse(path, "model.pt2", "holds pickled code", "--trust-pickle")
    assert not canary.exists()


def test_row_2_a_whole_module_only_with_trust(files: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes((files / "pickled.pt").read_bytes())
    options = ("--defend", "--input-shape", SAID)
    refuse(path, "tests.networks.Tiny", "Save the state_dict or an ExportedProgram", "--trust-pickle", options=options)
    done = edgeguard("export", path, *options, "--trust-pickle")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.edgeguard" / "manifest.json").is_file()


def test_row_4_missing_and_surplus_keys_are_listed(tmp_path: Path) -> None:
    state = trained_tiny().state_dict()
    state["head.weight"] = state.pop("dense.weight")
    torch.save(state, tmp_path / "model.pt")
    refuse(tmp_path / "model.pt", "missing: dense.weight", "surplus: head.weight", "--arch", options=STATE)


def test_row_4_only_one_of_both(tmp_path: Path) -> None:
    options: dict[str, Any] = {"arch": "tests.networks:tiny", "input_shape": SHAPE}
    state = trained_tiny().state_dict()
    torch.save({name: value for name, value in state.items() if name != "dense.bias"}, tmp_path / "missing.pt")
    assert "surplus" not in refuse_loading(tmp_path / "missing.pt", "missing: dense.bias", **options)
    torch.save(state | {"extra": torch.zeros(1)}, tmp_path / "surplus.pt")
    assert "missing" not in refuse_loading(tmp_path / "surplus.pt", "surplus: extra", **options)
    torch.save(Tiny(classes=7).state_dict(), tmp_path / "shape.pt")
    refuse_loading(tmp_path / "shape.pt", "2 tensors do not fit", "dense.weight is [7, 16]", "[10, 16]", **options)


@pytest.mark.parametrize("odd", ["sparse", "meta", "expanded"])
def test_tensors_that_are_no_plain_ones(tmp_path: Path, odd: str) -> None:
    state = trained_tiny().state_dict()
    shape = state["dense.weight"].shape
    state["dense.weight"] = {
        "sparse": torch.zeros(shape).to_sparse(),
        "meta": torch.empty(shape, device="meta"),
        "expanded": torch.zeros(1).expand(10**6, 10**6),
    }[odd]
    torch.save(state, tmp_path / "model.pt")
    refuse_loading(tmp_path / "model.pt", "model.pt", arch="tests.networks:tiny", input_shape=SHAPE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_row_5_weights_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    state = trained_tiny().state_dict()
    state["conv2.weight"][3, 1, 2, 0] = value
    torch.save(state, tmp_path / "model.pt")
    options: dict[str, Any] = {"arch": "tests.networks:tiny", "input_shape": SHAPE}
    refuse_loading(tmp_path / "model.pt", "tensor 'conv2.weight'", "NaN or infinity", "earlier checkpoint", **options)


def test_row_5_through_the_command_line(tmp_path: Path) -> None:
    network = trained_tiny()
    network.bn1.running_var[2] = float("nan")
    torch.save(network.state_dict(), tmp_path / "model.pt")
    refuse(tmp_path / "model.pt", "tensor 'bn1.running_var'", "NaN or infinity", options=STATE)


def test_row_5_in_torchscript_and_exported_programs(tmp_path: Path) -> None:
    network = trained_tiny()
    network.dense.bias.data[0] = float("inf")
    torch.jit.script(network).save(str(tmp_path / "model.pt"))
    refuse_loading(tmp_path / "model.pt", "tensor 'dense.bias'", "NaN or infinity", input_shape=SHAPE)
    torch.export.save(torch.export.export(network, (inputs(2),)), tmp_path / "model.pt2")
    refuse_loading(tmp_path / "model.pt2", "dense.bias", "NaN or infinity")

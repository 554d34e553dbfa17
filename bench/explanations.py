"""What the errors mean that people meet when they begin to train on a GPU: one row a kind of error."""

import dataclasses
import functools
import re


@dataclasses.dataclass(frozen=True, kw_only=True)
class Explanation:
    """One kind of error, in three lines."""

    name: str
    pattern: str
    """A regular expression that its texts match somewhere, without regard to case."""
    meaning: str
    cause: str
    remedy: str

    @property
    def lines(self) -> tuple[str, str, str]:
        """What it means, the usual cause, what to try."""
        return f"means: {self.meaning}", f"cause: {self.cause}", f"try:   {self.remedy}"


def explain(text: str) -> Explanation | None:
    """
    Return what *text* is about: an error, a whole traceback, or the name of a row; None: no row knows it.

    Where several rows know it, the first of the table is the one that says most.
    """
    named = BY_NAME.get(text.strip())
    if named is not None:
        return named
    return next((row for row in EXPLANATIONS if _compiled(row.pattern).search(text)), None)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.MULTILINE)


EXPLANATIONS = (
    Explanation(
        name="cpu_build",
        pattern=r"Torch not compiled with CUDA enabled|PyTorch is not linked with support for cuda",
        meaning="this torch is a build without CUDA, so no GPU can be used, whatever the driver says",
        cause="pip took the CPU build: from an index for CPUs, on a platform without another, or from a pinned file",
        remedy="python run_bench.py doctor gives the install line for your driver",
    ),
    Explanation(
        name="old_driver",
        pattern=r"NVIDIA driver on your system is too old|CUDA driver version is insufficient for CUDA runtime",
        meaning="the driver does not know the CUDA that this torch was built with",
        cause="torch was updated and the driver was not; the number in the text is the driver's CUDA: 11040 is 11.4",
        remedy="install a newer driver, or a torch for an older CUDA: python run_bench.py doctor names both",
    ),
    Explanation(
        name="no_driver",
        pattern=r"Found no NVIDIA driver on your system|libcuda\.so(\.1)?: cannot open|no NVIDIA driver",
        meaning="torch is built for CUDA and finds no driver here",
        cause="no driver is installed, or a container was started without the GPU",
        remedy="install NVIDIA's driver, or start the container with --gpus all; python run_bench.py doctor "
        "tells which",
    ),
    Explanation(
        name="driver_initialization",
        pattern=r"CUDA driver initialization failed",
        meaning="the driver's library is there, and the driver behind it does not start",
        cause="there is no GPU, a container without its device files, or a kernel module that is not loaded",
        remedy="see whether nvidia-smi lists the card, start a container with --gpus all; python run_bench.py doctor "
        "tells which",
    ),
    Explanation(
        name="unsupported_ptx",
        pattern=r"provided PTX was compiled with an unsupported toolchain",
        meaning="a kernel was compiled by a CUDA toolkit that is newer than the driver",
        cause="an extension, or Triton's code, was built with a newer CUDA than the one that nvidia-smi names",
        remedy="install a newer driver, or build the extension with a toolkit that is not newer than the driver's CUDA",
    ),
    Explanation(
        name="no_gpu_visible",
        pattern=r"No CUDA GPUs are available|no CUDA-capable device is detected|invalid device ordinal",
        meaning="the program asks for a GPU that it cannot see",
        cause="CUDA_VISIBLE_DEVICES hides it, a scheduler gave you fewer, or the index is counted from 1 (the "
        "first is 0)",
        remedy="print torch.cuda.device_count() and CUDA_VISIBLE_DEVICES, and use cuda:0",
    ),
    Explanation(
        name="no_kernel_image",
        pattern=r"no kernel image is available|is not compatible with the current PyTorch installation",
        meaning="this torch, or an extension of it, holds no machine code for this card's architecture",
        cause="the card is newer than this torch, or so old that its builds have dropped it",
        remedy="compare torch.cuda.get_arch_list() with the card; python run_bench.py doctor gives the install line",
    ),
    Explanation(
        name="device_side_assert",
        pattern=r"device-side assert triggered|Assertion .*(t >= 0|index).* failed",
        meaning="a kernel found an impossible value, nearly always an index out of range; the process must be "
        "restarted",
        cause="a label that is negative or not below the number of classes, or a token not below the vocabulary's size",
        remedy="run the same batch on the CPU, which names the line, or set CUDA_LAUNCH_BLOCKING=1",
    ),
    Explanation(
        name="uncorrectable_ecc",
        pattern=r"uncorrectable ECC error",
        meaning="the card's memory lost data and could not restore it: what was computed cannot be trusted",
        cause="a memory cell of the card fails; if it happens again, the card does",
        remedy="reset the card (sudo nvidia-smi --gpu-reset) or restart the machine; have it replaced if it comes back",
    ),
    Explanation(
        name="illegal_memory_access",
        pattern=r"illegal memory access|misaligned address|unspecified launch failure|CUBLAS_STATUS_EXECUTION_FAILED",
        meaning="a kernel read or wrote where it must not; the line shown is often not the guilty one",
        cause="a bug in an extension's kernel, an index out of range, or sometimes a card that fails",
        remedy="set CUDA_LAUNCH_BLOCKING=1 to see the true line; run `compute-sanitizer python ...`; try without "
        "extensions",
    ),
    Explanation(
        name="mps_out_of_memory",
        pattern=r"MPS backend out of memory",
        meaning="the part of a Mac's memory that its GPU may have is full",
        cause="the batch is too large, or other programs have the memory, which the GPU shares with all of them",
        remedy="halve the batch, end other programs, keep loss.item() and not loss; "
        "PYTORCH_MPS_HIGH_WATERMARK_RATIO=0.0 lifts the limit and may stall the Mac",
    ),
    Explanation(
        name="cuda_out_of_memory",
        pattern=r"CUDA out of memory|OutOfMemoryError|CUDA error: out of memory|"
        r"(CUDNN|CUBLAS)_STATUS_(INTERNAL_ERROR_)?(DEVICE_|HOST_)?ALLOC\w*_FAILED|HIP out of memory|XPU out of memory",
        meaning="the GPU's memory does not hold the model, its gradients, the optimizer's state and the activations",
        cause="the batch is too large; or another process, or a tensor kept over steps (a list of losses), has "
        "the rest",
        remedy="halve the batch, use amp_bf16, keep loss.item() and not loss, see nvidia-smi for others; if much is "
        "reserved but unallocated: PYTORCH_ALLOC_CONF=expandable_segments:True",
    ),
    Explanation(
        name="host_out_of_memory",
        pattern=r"DefaultCPUAllocator|killed by (signal: )?(SIGKILL|Killed)|exit code -9|"
        r"MemoryError|Cannot allocate memory",
        meaning="the computer's own memory is full, not the GPU's",
        cause="too many loader workers, a data set read as a whole, or a container's limit",
        remedy="fewer workers, read the data in pieces, raise the container's limit (docker: --memory)",
    ),
    Explanation(
        name="shared_memory",
        pattern=r"bus error|SIGBUS|insufficient shared memory|out of shared memory|creating shared memory segment|"
        r"/dev/shm.*No space left on device|No space left on device.*/dev/shm|</?torch_\w+>.*No space left on device",
        meaning="the shared memory, /dev/shm, is full, over which loader workers and NCCL exchange data",
        cause="a container gets 64 MiB of it by default",
        remedy="docker: --shm-size 8g or --ipc host; elsewhere fewer loader workers, or num_workers=0 to be sure",
    ),
    Explanation(
        name="disk_full",
        pattern=r"No space left on device",
        meaning="the disk is full to which the program writes",
        cause="checkpoints, caches (~/.cache/huggingface, pip, torch.compile) or logs; or /tmp is a small disk",
        remedy="see `df -h` for which disk it is, delete old checkpoints; TMPDIR, HF_HOME and TORCHINDUCTOR_CACHE_DIR "
        "lead elsewhere",
    ),
    Explanation(
        name="loader_worker",
        pattern=r"DataLoader worker \(pid.*\) (exited unexpectedly|is killed by signal)",
        meaning="a process that loads data ended without a word",
        cause="memory is full, native code of the data set broke, or something else ended it",
        remedy="num_workers=0 shows the error itself; fewer workers if memory is full (`sudo dmesg | tail` says so)",
    ),
    Explanation(
        name="different_devices",
        pattern=r"Expected all tensors to be on the same device|found at least two devices|"
        r"Input type \(.*\) and weight type \(.*\) should be the same|"
        r"module must have its parameters and buffers on device",
        meaning="one operation was given tensors on different devices",
        cause="the model was moved and the batch was not, or forward() makes a tensor without device=, or keeps "
        "one as a plain attribute",
        remedy="move the batch too, make new tensors with device=x.device, and register_buffer what belongs to "
        "the model",
    ),
    Explanation(
        name="to_numpy",
        pattern=r"can.t convert \w+:\d+ device type tensor to numpy",
        meaning="numpy reads the computer's memory, and this tensor is in the GPU's",
        cause="a result is plotted or measured as it is",
        remedy="tensor.detach().cpu().numpy(), and not in every step: it waits for the GPU",
    ),
    Explanation(
        name="different_formats",
        pattern=r"expected (scalar type|m1 and m2 to have the same dtype)|mat1 and mat2 must have the same dtype|"
        r"Input type \(\w*Half|dtype mismatch",
        meaning="an operation was given two number formats",
        cause="model.half() or .bfloat16() by hand, and a batch in float32; or integers where numbers are wanted",
        remedy="leave the model in float32 and use torch.autocast, or convert the batch with .to(model's dtype)",
    ),
    Explanation(
        name="checkpoint",
        pattern=r"size mismatch for [\w.]+: copying a param|Error\(s\) in loading state_dict|"
        r"(Missing|Unexpected) key\(s\) in state_dict",
        meaning="the checkpoint is of another model than the one that it is loaded into",
        cause="another number of classes or layers, another size of the model, or names that begin with `module.` "
        "from DDP",
        remedy="make the model as it was when the checkpoint was saved; for another number of classes leave the last "
        "layer out of it; save ddp_model.module.state_dict()",
    ),
    Explanation(
        name="shapes",
        pattern=r"shapes cannot be multiplied|size mismatch|The size of tensor a .* must match|"
        r"Sizes of tensors must match",
        meaning="two tensors do not fit each other; this has nothing to do with the GPU",
        cause="a layer expects another number of features than the one before gives, or the last batch is smaller",
        remedy="print the shapes before that line; drop_last=True for the last batch",
    ),
    Explanation(
        name="cudnn_version",
        pattern=r"CUDNN_STATUS_(VERSION_MISMATCH|SUBLIBRARY_\w+)|cuDNN version incompatibility|Could not load library "
        r"libcudnn|Unable to load any of .*libcudnn",
        meaning="another cuDNN is found than the one that torch was built with",
        cause="LD_LIBRARY_PATH, or a system-wide cuDNN, comes before torch's own",
        remedy="unset LD_LIBRARY_PATH, and install torch again with what it asks for",
    ),
    Explanation(
        name="missing_cuda_library",
        pattern=r"lib(cudart|cublas|cublasLt|cudnn|cufft|curand|cusolver|cusparse|cusparseLt|nccl|nvrtc|nvJitLink|cupti)"
        r"\.so[.\d]*: cannot open shared object",
        meaning="a package looks for a library of CUDA that is not there",
        cause="the package was built for another CUDA: .so.12 is not in a torch of CUDA 13, nor in a build for the CPU",
        remedy="install torch, torchvision and torchaudio together from one index (doctor gives the line), and what "
        "else was built for CUDA anew",
    ),
    Explanation(
        name="cudnn",
        pattern=r"CUDNN_STATUS_\w+|cuDNN error",
        meaning="the library of convolutions gave up; its text seldom says why",
        cause="most often the GPU's memory is full, then a driver too old, a wrong index before, or a card not "
        "supported",
        remedy="halve the batch; torch.backends.cudnn.enabled = False tells whether it is cuDNN; then doctor",
    ),
    Explanation(
        name="cublas",
        pattern=r"CUBLAS_STATUS_\w+",
        meaning="the library of matrix products gave up; its text seldom says why",
        cause="the GPU's memory is full, or an index out of range in an embedding broke the process before",
        remedy="halve the batch; run one batch on the CPU, which names a wrong index; unset LD_LIBRARY_PATH",
    ),
    Explanation(
        name="nccl_timeout",
        pattern=r"Watchdog caught collective operation timeout|collective operation timeout|"
        r"Timed out waiting \d+ms for (recv|send)|heartbeat monitor timed out|ranks? .* pass(ed)? monitoredBarrier",
        meaning="a rank waited for another one that did not come to the same exchange",
        cause="one rank failed or is slower, or ranks have different numbers of batches or different branches",
        remedy="look for the first error of every rank; TORCH_DISTRIBUTED_DEBUG=DETAIL names the operation",
    ),
    Explanation(
        name="nccl",
        pattern=r"NCCL error|nccl(System|UnhandledCuda|Internal|InvalidUsage|Remote)Error|"
        r"unhandled (system|cuda) error",
        meaning="the exchange between GPUs failed",
        cause="shared memory (/dev/shm) too small in a container, a network card that does not lead to the "
        "others, two ranks on one GPU",
        remedy="set NCCL_DEBUG=WARN and read its line; docker: --ipc host; then try NCCL_P2P_DISABLE=1 to find "
        "the link",
    ),
    Explanation(
        name="address_in_use",
        pattern=r"EADDRINUSE|Address already in use",
        meaning="the port at which the ranks meet is taken",
        cause="another run on this machine uses the usual 29500, or an earlier one did not end",
        remedy="torchrun --standalone, or MASTER_PORT with another number; end what is left over (ps, then kill "
        "its number)",
    ),
    Explanation(
        name="connection",
        pattern=r"(gloo|nccl|c10d|TCPStore|DistNetworkError|DistStoreError|\brank\b).*"
        r"Connection (refused|reset|closed)|Connection closed by remote peer|Gloo connectFullMesh failed|"
        r"Call to \w+ .*Connection (refused|reset)|client socket has (timed out|failed to connect)",
        meaning="a rank cannot reach another one, or it has ended",
        cause="the other rank failed first, MASTER_ADDR is wrong, or a firewall is between",
        remedy="look for the first error of the other ranks; GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME choose "
        "the network",
    ),
    Explanation(
        name="fork_after_cuda",
        pattern=r"Cannot re-initialize CUDA in forked subprocess",
        meaning="a process that had used the GPU was forked, and the copy cannot use it",
        cause="loader workers touch the GPU, or CUDA was used before they were started",
        remedy="keep the data set on the CPU; or multiprocessing_context='spawn', below `if __name__ == '__main__':`",
    ),
    Explanation(
        name="missing_main_guard",
        pattern=r"before the current process has finished its bootstrapping phase",
        meaning="a spawned worker ran the script from its top and tried to start workers itself",
        cause="the script has no `if __name__ == '__main__':` around what it does",
        remedy="put what the script does into a function and call it below that line",
    ),
    Explanation(
        name="unused_parameters",
        pattern=r"Expected to have finished reduction in the prior iteration",
        meaning="DDP waits for gradients of parameters that the loss does not depend on",
        cause="a branch of the model was not used in this step",
        remedy="DistributedDataParallel(..., find_unused_parameters=True), or take the parameters out",
    ),
    Explanation(
        name="cuda_unknown",
        pattern=r"CUDA unknown error|CUDA initialization: Unexpected error|Error 802|system not yet initialized",
        meaning="the driver could not be started for this process",
        cause="after suspend the module nvidia_uvm is broken; on machines with NVSwitch the fabric manager is "
        "not running",
        remedy="restart the machine, or reload nvidia_uvm; systemctl start nvidia-fabricmanager; then doctor",
    ),
    Explanation(
        name="torchvision_mismatch",
        pattern=r"operator torchvision::nms does not exist|load custom C\+\+ ops|torchvision.*different CUDA|"
        r"undefined symbol: \w*(c10|torch|at)",
        meaning="a package was compiled for another torch than the one that is installed",
        cause="torch was replaced, and torchvision, torchaudio or an extension was not",
        remedy="install torch, torchvision and torchaudio together from one index (doctor gives the line); build an "
        "extension again",
    ),
    Explanation(
        name="no_compiler",
        pattern=r"No working C\+\+ compiler found|InvalidCxxCompiler|Failed to find C compiler|"
        r"Cannot find a working triton",
        meaning="torch.compile has no compiler to call",
        cause="a slim container has no g++; or Triton is not installed for this GPU",
        remedy="install g++ (apt install g++), or train without torch.compile",
    ),
    Explanation(
        name="half_parameters",
        pattern=r"Attempting to unscale FP16 gradients",
        meaning="the model's parameters are in fp16, and GradScaler wants them in float32",
        cause="model.half(), or a model that was loaded with torch_dtype=torch.float16",
        remedy="keep the parameters in float32 (model.float()) and let torch.autocast choose fp16 for each operation",
    ),
    Explanation(
        name="nan_loss",
        pattern=r"loss is (nan|inf)|returned nan values|non-?finite",
        meaning="the training left the range of numbers",
        cause="fp16 without GradScaler or with a model in half precision, a learning rate too high, or bad data",
        remedy="amp_bf16 in place of amp_fp16, a lower learning rate, clip_grad_norm_, "
        "torch.autograd.set_detect_anomaly",
    ),
    Explanation(
        name="double_backward",
        pattern=r"Trying to backward through the graph a second time|modified by an inplace operation",
        meaning="backward needs values that are gone or were overwritten",
        cause="a loss or a hidden state of the step before is used again, or x += y on something that backward needs",
        remedy="detach() what goes over into the next step; x = x + y in place of x += y",
    ),
    Explanation(
        name="crash",
        pattern=r"killed by SIG(SEGV|ABRT|ILL|FPE)|Segmentation fault|Illegal instruction|core dumped",
        meaning="native code broke, so Python could not say anything",
        cause="libraries that do not belong together, a processor too old for a package (SIGILL), or a broken driver",
        remedy="run `python -X faulthandler ...` for the line; install torch and its companions again in a new "
        "environment",
    ),
    Explanation(
        name="not_available",
        pattern=r"torch\.cuda\.is_available\(\)( is|:|\s*(==|=|->|returns))?\s*False|not able to use GPU|"
        r"couldn.t communicate with the NVIDIA driver",
        meaning="torch, or the driver's own tool, finds no GPU that it can use",
        cause="a build of torch without CUDA, a driver that is missing or not loaded, or a container without the card",
        remedy="python run_bench.py doctor looks at each of them here and says which",
    ),
    Explanation(
        name="no_torch",
        pattern=r"No module named '?torch'?(?![\w.])",
        meaning="this Python has no torch",
        cause="it was installed into another environment than the one that runs the program",
        remedy="activate that environment, or install it into this one: python -m pip install torch",
    ),
    Explanation(
        name="killed",
        pattern=r"^\s*Killed\s*$|oom[-_ ]?kill|Killed process \d+",
        meaning="the kernel ended the process, nearly always since the machine's memory was used up",
        cause="data or workers that hold too much on the host, or a container's memory limit",
        remedy="use fewer DataLoader workers and smaller batches, or give the container more; dmesg names the process",
    ),
)
"""From what says most to what says least: a traceback may hold several of these."""

BY_NAME = {row.name: row for row in EXPLANATIONS}

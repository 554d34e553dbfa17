"""Texts that people meet, as public issues show them, and what they are taken for."""

import re

import pytest

from bench.explanations import BY_NAME, EXPLANATIONS, explain

TEXTS = {
    "torch.cuda.is_available() is False": "not_available",
    ">>> torch.cuda.is_available()\nFalse": "not_available",
    "AssertionError: Torch is not able to use GPU": "not_available",
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.": "not_available",
    "ModuleNotFoundError: No module named 'torch'": "no_torch",
    "Killed": "killed",
    "epoch 3\nKilled\n": "killed",
    "Out of memory: Killed process 4711 (python) total-vm:90000000kB": "killed",
    "RuntimeError: Sizes of tensors must match except in dimension 1. Expected size 4 but got size 3": "shapes",
    # https://github.com/facebookresearch/detectron2/issues/460
    "AssertionError: Torch not compiled with CUDA enabled": "cpu_build",
    # https://github.com/serend1p1ty/SeqNet/issues/36
    "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver": "old_driver",
    "RuntimeError: Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and "
    "installed a driver "
    "from http://www.nvidia.com/Download/index.aspx": "no_driver",
    "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory": "no_driver",
    "RuntimeError: No CUDA GPUs are available": "no_gpu_visible",
    "torch.AcceleratorError: CUDA error: invalid device ordinal": "no_gpu_visible",
    # https://github.com/pytorch/pytorch/issues/31285
    "RuntimeError: CUDA error: no kernel image is available for execution on the device": "no_kernel_image",
    # https://github.com/jiangyzy/GOAE/issues/16
    "NVIDIA RTX A6000 with CUDA capability sm_86 is not compatible with the current PyTorch "
    "installation.": "no_kernel_image",
    # https://github.com/karpathy/nanoGPT/issues/470
    "RuntimeError: CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously "
    "reported": "device_side_assert",
    "Loss.cu:245: block: [0,0,0], thread: [3,0,0] Assertion `t >= 0 && t < n_classes` failed.": "device_side_assert",
    # The end of every CUDA error names assertions, https://github.com/WangYueFt/dcp/issues/30 shows it.
    "RuntimeError: CUDA error: an illegal memory access was encountered\nFor debugging consider passing "
    "CUDA_LAUNCH_BLOCKING=1.\nCompile with `TORCH_USE_CUDA_DSA` to enable device-side "
    "assertions.": "illegal_memory_access",
    "RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`": "illegal_memory_access",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity "
    "of 79.11 GiB of "
    "which 1.2 GiB is free.": "cuda_out_of_memory",
    "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED": "cuda_out_of_memory",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`": "cuda_out_of_memory",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate "
    "memory: you tried to "
    "allocate 8000000000000 bytes.": "host_out_of_memory",
    "a worker was killed by SIGKILL (often the kernel's out-of-memory killer)": "host_out_of_memory",
    # https://github.com/nianticlabs/simplerecon/issues/3
    "ERROR: Unexpected bus error encountered in worker. This might be caused by insufficient shared memory "
    "(shm).": "shared_memory",
    "a worker was killed by SIGBUS (often a full /dev/shm)": "shared_memory",
    # https://github.com/vllm-project/vllm/issues/14537
    "NCCL error: unhandled system error (run with NCCL_DEBUG=INFO for details), NCCL version "
    "2.21.5\nLast error:\nError "
    "while creating shared memory segment /dev/shm/nccl-EoOvZr (size 7340384)": "shared_memory",
    # https://github.com/kijai/ComfyUI-FluxTrainer/issues/116
    "RuntimeError: Expected all tensors to be on the same device, but found at least two devices, cpu "
    "and cuda:0! (when "
    "checking argument for argument mat1 in method wrapper_CUDA_addmm)": "different_devices",
    "RuntimeError: Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the "
    "same": "different_devices",
    "TypeError: can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory "
    "first.": "to_numpy",
    "RuntimeError: mat1 and mat2 must have the same dtype, but got Float and Half": "different_formats",
    "RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x512 and 256x10)": "shapes",
    # https://github.com/pytorch/pytorch/issues/1171
    "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED": "cudnn",
    "RuntimeError: cuDNN error: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH": "cudnn_version",
    "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`": "cublas",
    "[Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=12, OpType=ALLREDUCE) ran for 600029 "
    "milliseconds": "nccl_timeout",
    # https://github.com/NVIDIA/nccl/issues/975
    "ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.": "nccl",
    # https://github.com/xdit-project/mochi-xdit/issues/22
    "RuntimeError: The server socket has failed to listen on any local network address. port: 29500, useIpv6: 0, code: "
    "-98, name: EADDRINUSE, message: address already in use": "address_in_use",
    "RuntimeError: [../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:30232": (
        "connection"
    ),
    # https://github.com/pytorch/pytorch/issues/40403
    "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use the "
    "'spawn' start method": "fork_after_cuda",
    "RuntimeError: An attempt has been made to start a new process before the current process has finished its "
    "bootstrapping phase.": "missing_main_guard",
    "RuntimeError: Expected to have finished reduction in the prior iteration before starting a new "
    "one.": "unused_parameters",
    # https://github.com/pytorch/pytorch/issues/49327
    "RuntimeError: CUDA unknown error - this may be due to an incorrectly set up environment, e.g. "
    "changing env variable "
    "CUDA_VISIBLE_DEVICES after program start.": "cuda_unknown",
    # https://github.com/pytorch/pytorch/issues/35710
    "RuntimeError: cuda runtime error (802) : system not yet initialized": "cuda_unknown",
    # https://github.com/pytorch/pytorch/issues/157648
    "RuntimeError: operator torchvision::nms does not exist": "torchvision_mismatch",
    "torch._inductor.exc.InvalidCxxCompiler: No working C++ compiler found": "no_compiler",
    "NonFiniteLossError: the loss is nan on rank 0; timings of it mean nothing": "nan_loss",
    "ValueError: Attempting to unscale FP16 gradients.": "half_parameters",
    "UserWarning: CUDA initialization: CUDA driver initialization failed, you might not have a CUDA gpu. (Triggered "
    "internally at ../c10/cuda/CUDAFunctions.cpp:108.)": "driver_initialization",
    "RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.": "unsupported_ptx",
    "RuntimeError: DataLoader worker (pid(s) 12345) exited unexpectedly": "loader_worker",
    "RuntimeError: DataLoader worker (pid 12345) is killed by signal: Aborted.": "loader_worker",
    "RuntimeError: DataLoader worker (pid 12345) is killed by signal: Killed.": "host_out_of_memory",
    "RuntimeError: DataLoader worker (pid 12345) is killed by signal: Bus error. It is possible that dataloader's "
    "workers are out of shared memory.": "shared_memory",
    "RuntimeError: CUDA error: uncorrectable ECC error encountered": "uncorrectable_ecc",
    "RuntimeError: MPS backend out of memory (MPS allocated: 18.01 GB, other allocations: 96.00 MB, max allowed: "
    "18.13 GB).": "mps_out_of_memory",
    "ImportError: libcudart.so.12: cannot open shared object file: No such file or directory": "missing_cuda_library",
    "OSError: libcublasLt.so.12: cannot open shared object file: No such file or directory": "missing_cuda_library",
    "OSError: [Errno 28] No space left on device: 'checkpoint.pt'": "disk_full",
    "RuntimeError: unable to write to file </torch_123_4>: No space left on device (28)": "shared_memory",
    "OSError: [Errno 28] No space left on device: '/dev/shm/nccl-EoOvZr'": "shared_memory",
    "RuntimeError: Error(s) in loading state_dict for ResNet:\n\tsize mismatch for fc.weight: copying a param with "
    "shape torch.Size([1000, 512]) from checkpoint, the shape in current model is "
    "torch.Size([10, 512]).": "checkpoint",
    "size mismatch for fc.weight: copying a param with shape torch.Size([1000, 512]) from checkpoint": "checkpoint",
    "RuntimeError: size mismatch, m1: [64 x 512], m2: [256 x 10]": "shapes",
    "torch.distributed.DistNetworkError: The client socket has failed to connect to any network address of (10.0.0.1, "
    "29500). The client socket has failed to connect to 10.0.0.1:29500 (errno: 111 - Connection "
    "refused).": "connection",
    "RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:799] connect [127.0.0.1]:1: Connection "
    "refused": "connection",
    "RuntimeError: Trying to backward through the graph a second time (or directly access saved tensors "
    "after they have "
    "already been freed).": "double_backward",
    "a worker was killed by SIGSEGV (a bug in native code; the log's last lines show the Python stack)": "crash",
    "Illegal instruction (core dumped)": "crash",
}

TRACEBACK = """Traceback (most recent call last):
  File "train.py", line 12, in <module>
    loss = criterion(model(inputs), labels)
  File ".../torch/nn/modules/linear.py", line 134, in forward
    return F.linear(input, self.weight, self.bias)
RuntimeError: Expected all tensors to be on the same device, but got mat1 is on cpu, different from others on cuda:0
"""


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_taken_for_what_it_is(text: str) -> None:
    found = explain(text)
    assert found is not None
    assert found.name == TEXTS[text]


def test_a_whole_traceback_is_recognised_by_what_is_in_it() -> None:
    found = explain(TRACEBACK)
    assert found is not None
    assert found.name == "different_devices"


@pytest.mark.parametrize(
    "text",
    [
        *("", "hello", "KeyError: 'labels'", "needs 1 CUDA device, found 0", "nobody is Killed here"),
        *("No module named 'torch.foo'", "No module named 'torchx'", "torch.cuda.is_available() is True"),
        *("ValueError: not enough values to unpack", "/dev/shm is fine", "a shared memory segment of 8 GiB"),
        *(
            "ssh: connect to host gpu-box port 22: Connection refused",
            "curl: (56) Recv failure: Connection reset by peer",
        ),
    ],
)
def test_a_text_that_no_row_knows_is_none(text: str) -> None:
    assert explain(text) is None


def test_a_row_is_found_by_its_name_too() -> None:
    assert explain("cuda_out_of_memory\n") == BY_NAME["cuda_out_of_memory"]


def test_every_row_is_met_by_a_text_and_says_three_different_things() -> None:
    assert set(TEXTS.values()) == {row.name for row in EXPLANATIONS}
    assert len(BY_NAME) == len(EXPLANATIONS)
    for row in EXPLANATIONS:
        assert [line.partition(":")[0] for line in row.lines] == ["means", "cause", "try"]
        assert len({row.meaning, row.cause, row.remedy}) == 3
        assert max(map(len, row.lines)) <= 240, row.name
        assert re.fullmatch(r"[a-z_]+", row.name)

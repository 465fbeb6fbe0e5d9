"""A pool of small CPU buffers for compiled loops.

A compiled step on small tensors allocates and frees many buffers of a few bytes each, which takes
longer than its arithmetic. While a block of steps runs, torch takes buffers of up to 64 KiB from
lists of freed ones instead; larger buffers are allocated as usual. Values do not change.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from zoo.torch_private import CppCodeCache, InvalidCxxCompiler

SOURCE = r"""
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <cstdlib>
#include <new>
#include <vector>

namespace {

constexpr size_t LINE = 64;          // alignment, and the unit of sizes
constexpr size_t LARGEST = 1024;     // lines; a buffer above that is not pooled

// Free buffers by size in lines. The line before a buffer holds its size. Never destroyed: a
// tensor may be freed while the process ends.
std::vector<void*>& freed(size_t lines) {
  thread_local auto* lists = new std::vector<std::vector<void*>>(LARGEST + 1);
  return (*lists)[lines];
}

void give_back(void* buffer) {
  freed(*reinterpret_cast<size_t*>(static_cast<char*>(buffer) - LINE)).push_back(buffer);
}

struct Arena final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    size_t lines = (bytes + LINE - 1) / LINE;
    if (lines == 0 || lines > LARGEST) return usual->allocate(bytes);
    void* buffer = nullptr;
    auto& list = freed(lines);
    if (!list.empty()) {
      buffer = list.back();
      list.pop_back();
    } else {
      void* start = std::aligned_alloc(LINE, (lines + 1) * LINE);
      if (start == nullptr) throw std::bad_alloc();
      *static_cast<size_t*>(start) = lines;
      buffer = static_cast<char*>(start) + LINE;
    }
    return {buffer, buffer, &give_back, c10::Device(c10::DeviceType::CPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }
  c10::Allocator* usual = c10::GetDefaultCPUAllocator();
};

Arena arena;
c10::Allocator* before = nullptr;

}  // namespace

extern "C" void enter_arena() {
  if (c10::GetCPUAllocator() == &arena) return;
  before = c10::GetCPUAllocator();
  c10::SetCPUAllocator(&arena);
}

extern "C" void leave_arena() {
  if (before != nullptr) c10::SetCPUAllocator(before);
}
"""


class _LinkedToTorch(CppCodeCache):
    cache = {}  # noqa: RUF012
    cpp_compile_command_flags = {"include_pytorch": True, "shared": True}  # noqa: RUF012


@cache
def _library() -> ctypes.CDLL:
    """Compiles the pool, or loads it from the compiler's cache on disk."""
    return _LinkedToTorch.load(SOURCE, extra_flags=("-lc10",))


@cache
def can_pool() -> bool:
    """Can the pool be used? It needs a C++ compiler and a folder for its output.

    Without the pool, steps are slower and their values the same.
    """
    try:
        _library()
    except (InvalidCxxCompiler, OSError):
        return False
    return True


@contextmanager
def pooled() -> Iterator[None]:
    """Inside, torch takes small CPU buffers from the pool."""
    library = _library()
    library.enter_arena()
    try:
        yield
    finally:
        library.leave_arena()

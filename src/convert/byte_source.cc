#include "convert/byte_source.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace mapigate::convert {

ByteSource ByteSource::from_bytes(Bytes bytes) {
  auto owner = std::make_shared<const Bytes>(std::move(bytes));
  return {owner, View(*owner)};
}

ByteSource ByteSource::from_string(std::string text) {
  auto owner = std::make_shared<const std::string>(std::move(text));
  return {owner, as_view(*owner)};
}

Result<ByteSource> ByteSource::from_file(int fd, std::size_t size) {
  if (size == 0) return ByteSource();
  void* mapped = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (mapped == MAP_FAILED)
    return error(Errc::unavailable, "cannot map a spooled message: {}", std::strerror(errno));
  std::shared_ptr<const void> owner(mapped,
                                    [size](const void* at) { ::munmap(const_cast<void*>(at), size); });
  const View view(static_cast<const std::uint8_t*>(mapped), size);
  return ByteSource(std::move(owner), view);
}

Spool::Spool(std::size_t memory_limit, std::string directory)
    : memory_limit_(memory_limit), directory_(std::move(directory)) {}

Spool::Spool(Spool&& other) noexcept
    : memory_limit_(other.memory_limit_),
      directory_(std::move(other.directory_)),
      memory_(std::move(other.memory_)),
      size_(std::exchange(other.size_, 0)),
      fd_(std::exchange(other.fd_, -1)) {}

Spool::~Spool() {
  if (fd_ >= 0) ::close(fd_);
}

Status Spool::write_out(View bytes) {
  while (!bytes.empty()) {
    const auto written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return error(Errc::unavailable, "cannot spool a message in {}: {}", directory_, std::strerror(errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status Spool::append(View bytes) {
  if (fd_ < 0 && size_ + bytes.size() > memory_limit_) {
    auto path = directory_ + "/mapigate-XXXXXX";
    fd_ = ::mkostemp(path.data(), O_CLOEXEC);
    if (fd_ < 0)
      return error(Errc::unavailable, "cannot spool a message in {}: {}", directory_, std::strerror(errno));
    ::unlink(path.c_str());
    if (auto status = write_out(memory_); !status) return status;
    memory_ = Bytes();
  }
  if (fd_ >= 0) {
    if (auto status = write_out(bytes); !status) return status;
  } else {
    memory_.insert(memory_.end(), bytes.begin(), bytes.end());
  }
  size_ += bytes.size();
  return {};
}

Result<ByteSource> Spool::finish() && {
  if (fd_ < 0) return ByteSource::from_bytes(std::move(memory_));
  return ByteSource::from_file(fd_, size_);
}

}  // namespace mapigate::convert

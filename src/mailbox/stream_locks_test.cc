// Locked regions of streams: [MS-OXCPRPT] 3.2.5.21 and 3.2.5.22.
#include <thread>

#include "mailbox/test_support.h"

namespace mapigate::mailbox::testing {
namespace {

using namespace mapi;
using enum state::FolderRole;

class StreamLocksTest : public EngineTest {
 protected:
  // A session of the same mailbox with a stream on a property of the inbox, as handle 4.
  std::unique_ptr<Client> open(PropertyTag tag = PidTagComment) {
    auto client = connect();
    EXPECT_EQ(client->logon().value(), ecNone);
    EXPECT_EQ(client->open_folder(inbox), ecNone);
    Ask<wire::RopOpenStream> stream{{4, tag, wire::RopOpenStream::Create}, 1};
    EXPECT_EQ(client->execute(stream).value(), ecNone);
    return client;
  }
  static ErrorCode lock(Client& client, std::uint64_t offset, std::uint64_t size, std::uint32_t flags = 1, std::uint8_t handle = 4) {
    return client.execute(Ask<wire::RopLockRegionStream>{{offset, size, flags}, handle}).value();
  }
  static ErrorCode unlock(Client& client, std::uint64_t offset, std::uint64_t size, std::uint32_t flags = 1) {
    return client.execute(Ask<wire::RopUnlockRegionStream>{{offset, size, flags}, 4}).value();
  }
  static ErrorCode seek(Client& client, std::int64_t offset) {
    return client.execute(Ask<wire::RopSeekStream>{{0, offset}, 4}).value();
  }
  static ErrorCode write(Client& client, std::int64_t offset, std::string_view text) {
    EXPECT_EQ(seek(client, offset), ecNone);
    return client.execute(Ask<wire::RopWriteStream>{{as_view(text)}, 4}).value();
  }
  static ErrorCode resize(Client& client, std::uint64_t size) {
    return client.execute(Ask<wire::RopSetStreamSize>{{size}, 4}).value();
  }
  static ErrorCode read(Client& client, std::int64_t offset, std::uint16_t size) {
    EXPECT_EQ(seek(client, offset), ecNone);
    Ask<wire::RopReadStream> ask{{size, 0}, 4};
    return client.execute(ask).value();
  }
};

TEST_F(StreamLocksTest, OneHoldsARegion) {
  auto a = open(), b = open(), other = open(PidTagContainerClass);
  EXPECT_EQ(lock(*a, 0, 10), ecNone);
  EXPECT_EQ(lock(*b, 9, 5), ecAccessDenied);
  EXPECT_EQ(lock(*a, 5, 1), ecAccessDenied);  // held, by itself
  EXPECT_EQ(lock(*b, 10, UINT64_MAX), ecNone);  // behind it, to the end
  EXPECT_EQ(lock(*a, UINT64_MAX - 1, 1), ecAccessDenied);
  EXPECT_EQ(lock(*other, 0, 10), ecNone);  // another value
  // Nobody ends what belongs to another session.
  EXPECT_EQ(unlock(*b, 0, 10), ecNone);
  EXPECT_EQ(lock(*b, 0, 1), ecAccessDenied);
  EXPECT_EQ(unlock(*a, 0, 10), ecNone);
  EXPECT_EQ(lock(*b, 0, 1), ecNone);
}

TEST_F(StreamLocksTest, WhatOthersMayDoThere) {
  auto a = open(), b = open();
  ASSERT_EQ(write(*a, 0, "0123456789"), ecNone);
  ASSERT_EQ(write(*b, 0, "0123456789"), ecNone);
  ASSERT_EQ(lock(*a, 2, 2, 1), ecNone);  // for others to read only
  EXPECT_EQ(read(*b, 0, 10), ecNone);
  EXPECT_EQ(write(*b, 0, "abc"), ecAccessDenied);
  EXPECT_EQ(write(*b, 4, "abc"), ecNone);
  EXPECT_EQ(write(*a, 0, "abcd"), ecNone);
  EXPECT_EQ(resize(*b, 3), ecAccessDenied);
  ASSERT_EQ(lock(*a, 6, 2, 0), ecNone);  // not even that
  EXPECT_EQ(read(*b, 5, 2), ecAccessDenied);
  EXPECT_EQ(read(*b, 0, 6), ecNone);
  EXPECT_EQ(read(*a, 0, 10), ecNone);
  // Locks end with their stream.
  a->execute(Ask<wire::RopRelease>{{}, 4});
  EXPECT_EQ(read(*b, 5, 2), ecNone);
  EXPECT_EQ(write(*b, 0, "abc"), ecNone);
}

TEST_F(StreamLocksTest, ALockThatIsTooOldHoldsNobodyBack) {  // [MS-OXCPRPT] 3.2.5.21
  use([](EngineOptions& o) { o.stream_lock_time = std::chrono::seconds(2); });
  auto a = open(), b = open();
  ASSERT_EQ(write(*a, 0, "0123456789"), ecNone);
  ASSERT_EQ(write(*b, 0, "0123456789"), ecNone);
  ASSERT_EQ(lock(*a, 0, 5, 0), ecNone);
  EXPECT_EQ(read(*b, 0, 10), ecAccessDenied);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  EXPECT_EQ(read(*b, 0, 10), ecNone);
  EXPECT_EQ(write(*b, 0, "abc"), ecNone);
  // Who had it is told where it was, and there alone.
  EXPECT_EQ(read(*a, 0, 5), ecNetwork);
  EXPECT_EQ(write(*a, 4, "x"), ecNetwork);
  EXPECT_EQ(write(*a, 5, "x"), ecNone);
  EXPECT_EQ(unlock(*a, 0, 5), ecNone);
  EXPECT_EQ(read(*a, 0, 5), ecNone);
  // Somebody else may have it then, or the same once more.
  ASSERT_EQ(lock(*a, 0, 5), ecNone);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  EXPECT_EQ(lock(*a, 0, 5), ecNone);
  EXPECT_EQ(write(*a, 0, "x"), ecNone);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  EXPECT_EQ(lock(*b, 0, 5), ecNone);
  EXPECT_EQ(write(*a, 0, "x"), ecNetwork);
}

TEST_F(StreamLocksTest, OnlyStreamsHaveRegions) {
  auto a = open();
  EXPECT_EQ(lock(*a, 0, 1, 1, 1), ecNotSupported);
  EXPECT_EQ(lock(*a, 0, 1, 1, 9), ecNullObject);
  ErrorCode code = ecNone;
  std::uint64_t granted = 0;
  for (; granted < 2000 && code == ecNone; ++granted) code = lock(*a, granted, 1);
  EXPECT_EQ(code, ecMemory);
  EXPECT_EQ(granted, 1001u);
}

}  // namespace
}  // namespace mapigate::mailbox::testing

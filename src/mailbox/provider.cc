#include "mailbox/provider.h"

#include "convert/text_beginning.h"

namespace mapigate::mailbox {

namespace {
Error read_only() { return error(Errc::unsupported, "this backend cannot be written to"); }
}  // namespace

Task<Result<std::vector<MessageBeginning>>> Provider::beginnings(state::Folder folder, std::vector<std::uint64_t> remote_keys,
                                                                 std::size_t characters) {
  std::vector<MessageBeginning> out;
  for (const auto key : remote_keys) {
    auto message = co_await content(folder, key);
    if (!message && message.error().code == Errc::not_found) continue;
    if (!message) co_return message.error();
    out.push_back({key, convert::text_beginning(*message, true, characters).text});
  }
  co_return out;
}
Task<Result<std::uint64_t>> Provider::append(state::Folder, convert::ByteSource, std::uint32_t, FileTime) { co_return read_only(); }
Task<Status> Provider::remove(state::Folder, std::vector<std::uint64_t>) { co_return read_only(); }
Task<Result<std::vector<CopiedMessage>>> Provider::copy(state::Folder, std::vector<std::uint64_t>, state::Folder, bool) {
  co_return read_only();
}
Task<Result<std::vector<std::uint64_t>>> Provider::find(state::Folder, std::string) { co_return read_only(); }
Task<Result<std::vector<std::pair<state::GlobalCounter, std::string>>>> Provider::recognize(std::vector<LostFolder>,
                                                                                            std::vector<RemoteFolder>) {
  co_return std::vector<std::pair<state::GlobalCounter, std::string>>();
}
Task<Result<RemoteFolder>> Provider::create_folder(std::string, std::string) { co_return read_only(); }
Task<Status> Provider::delete_folder(std::string) { co_return read_only(); }
Task<Result<std::vector<std::pair<std::string, std::string>>>> Provider::move_folder(std::string, std::string, std::string) {
  co_return read_only();
}
Task<Result<std::vector<std::uint64_t>>> Provider::search(state::Folder, TextQuery, std::vector<std::uint64_t>) {
  co_return error(Errc::unsupported, "this backend does not look for texts");
}
Task<Status> Provider::set_keywords(state::Folder, std::vector<std::uint64_t>, std::vector<std::string>, std::vector<std::string>) {
  co_return read_only();
}
Task<Result<Quota>> Provider::quota() { co_return error(Errc::unsupported, "this backend tells no limit"); }
Task<Result<std::shared_ptr<Watch>>> Provider::watch(state::Folder) { co_return error(Errc::unsupported, "this backend tells no news"); }

}  // namespace mapigate::mailbox

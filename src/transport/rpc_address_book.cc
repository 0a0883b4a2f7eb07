// NSPI over DCE/RPC ([MS-OXNSPI] 3.1.4).
#include "base/log.h"
#include "transport/gateway.h"
#include "transport/rpc_core.h"
#include "wire/ndr/nspi_ndr.h"

namespace mapigate::transport::rpc {

namespace {

class AddressBook : public Service {
 public:
  AddressBook(Gateway& gateway, std::shared_ptr<Inbox> inbox) : gateway_(gateway), inbox_(std::move(inbox)) {}
  const ndr::Interface& interface() const override { return ndr::nspi::interface; }
  void call(const Request&, Reply reply) override { reply({fault_op_rng_error, {}}); }

 private:
  [[maybe_unused]] Gateway& gateway_;
  std::shared_ptr<Inbox> inbox_;
};

}  // namespace

std::unique_ptr<Service> make_address_book_service(Gateway& gateway, std::shared_ptr<Inbox> inbox) {
  return std::make_unique<AddressBook>(gateway, std::move(inbox));
}

}  // namespace mapigate::transport::rpc

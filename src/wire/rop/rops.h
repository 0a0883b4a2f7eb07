// Every ROP. Who needs a few only includes the header of their chapter.
#pragma once

#include "wire/rop/fast_transfer_rops.h"
#include "wire/rop/folder_rops.h"
#include "wire/rop/logon_rops.h"
#include "wire/rop/message_rops.h"
#include "wire/rop/notification_rops.h"
#include "wire/rop/other_rops.h"
#include "wire/rop/permission_rule_rops.h"
#include "wire/rop/property_rops.h"
#include "wire/rop/stream_rops.h"
#include "wire/rop/synchronization_rops.h"
#include "wire/rop/table_rops.h"
#include "wire/rop/transport_rops.h"

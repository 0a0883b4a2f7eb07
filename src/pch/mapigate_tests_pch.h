// As mapigate_pch.h, for the sources of tests.
#include <gtest/gtest.h>

#include "mapigate_pch.h"

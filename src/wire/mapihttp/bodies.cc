#include "wire/mapihttp/bodies.h"

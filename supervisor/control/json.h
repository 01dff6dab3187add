/* json.h: where it was; include/json.h is the one. */
#include "include/json.h"

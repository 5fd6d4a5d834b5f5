#include "ken.h"

const char *ken_version(void) {
    return KEN_VERSION;
}

// Its exit code is the level of this machine's processor: asked while building for this machine alone.
#include "descrambler/cpu.h"

int main(void) {
  return descrambler_cpu_level();
}

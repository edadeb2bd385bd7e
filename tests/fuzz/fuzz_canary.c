/* Goal: to know that the harness finds what is there. This target fails for inputs that are not in
 * its corpus but near; its test passes when that is found and written down. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 6 && memcmp(bytes, "canar", 5) == 0 && bytes[5] != 'y')
        abort();
    return 0;
}

/* Goal: no rule file, however wrong, brings down the server: it is refused or it runs, and either
 * way an error is said in words.
 * Method: the bytes are the file (rule_host.h). */
#include "kontor/limits.h"
#include "rule_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    (void)rule_host_try((const char *)bytes, size, KT_LIMIT_RULE_STEPS);
    return 0;
}

/* Shapes of addresses. They catch slips of the hand, not non-existence: only a mail that arrives
 * proves a mailbox, so anything a mail server might accept passes. */
#include "parties.h"

#include <string.h>

/* RFC 5321 4.5.3.1: octets of the local part and of the domain. */
#define LOCAL_PART_MAX 64
#define DOMAIN_MAX     255

/* Letters, digits and hyphens, and every non-ASCII byte so that internationalised names pass. */
static bool domain_character(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c >= 0x80;
}

static bool domain_plausible(const char *domain)
{
    size_t labels = 0, length = 0;
    if (strlen(domain) > DOMAIN_MAX)
        return false;
    for (const char *at = domain;; at++) {
        if (*at == '.' || *at == '\0') {
            if (length == 0)
                return false;
            labels++;
            length = 0;
            if (*at == '\0')
                return labels >= 2;
        } else if (!domain_character((unsigned char)*at)) {
            return false;
        } else {
            length++;
        }
    }
}

bool parties_email_plausible(const char *text)
{
    const char *at = strchr(text, '@');
    if (!at || at == text || (size_t)(at - text) > LOCAL_PART_MAX)
        return false;
    for (const char *c = text; c < at; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("<>()[],;:\\\"", *c))
            return false;
    return domain_plausible(at + 1);
}

bool parties_country_plausible(const char *text)
{
    return strlen(text) == 2 && text[0] >= 'A' && text[0] <= 'Z' && text[1] >= 'A' &&
           text[1] <= 'Z';
}

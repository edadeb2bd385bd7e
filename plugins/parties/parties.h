/** Private to the parties plugin: who we deal with, and how they are reached. */
#pragma once

#include "kontor/kontor.h"

extern const struct kt_entity parties_party;

/** Does it look like a mail address: one "@", something before it, a dotted domain after it? */
bool parties_email_plausible(const char *text);
/** Two capital letters, the shape of an ISO 3166-1 alpha-2 code. */
bool parties_country_plausible(const char *text);

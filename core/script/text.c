/* Texts of rules on their way to people: cleaned, and names guessed that were meant. */
#include <lauxlib.h>
#include <string.h>

#include "script/script_internal.h"

#define LONGEST_NAME 48

/* Bytes of the well-formed UTF-8 character (RFC 3629) at the front, 0 when there is none. */
static size_t character_size(const unsigned char *at, size_t left)
{
    size_t size = at[0] < 0x80   ? 1
                  : at[0] < 0xC2 ? 0
                  : at[0] < 0xE0 ? 2
                  : at[0] < 0xF0 ? 3
                  : at[0] < 0xF5 ? 4
                                 : 0;
    if (size == 0 || size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) ||
        (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F))
        return 0;
    return size;
}

const char *script_clean(struct kt_ctx *ctx, const char *text, size_t length, size_t most)
{
    char *out = kt_alloc(ctx, (length < most ? length : most) + 1);
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        size_t size = character_size((const unsigned char *)text + at, length - at);
        unsigned char first = (unsigned char)text[at];
        bool plain = size > 0 && first != 0x7F && (first >= 0x20 || first == '\n');
        size_t kept = plain ? size : 1;
        if (used + kept > most)
            break;
        if (plain)
            memcpy(out + used, text + at, kept);
        else
            out[used] = '?';
        used += kept;
        at += kept;
    }
    return out;
}

/* Levenshtein's distance, by rows. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[LONGEST_NAME + 1];
    size_t width = strlen(b), height = strlen(a);
    if (width > LONGEST_NAME || height > LONGEST_NAME)
        return LONGEST_NAME;
    for (unsigned i = 0; i <= width; i++)
        row[i] = i;
    for (unsigned i = 1; i <= height; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            unsigned best = corner + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            corner = row[j];
            row[j] = best;
        }
    }
    return row[width];
}

void script_guess_try(struct script_guess *guess, const char *candidate)
{
    unsigned far = distance(guess->wanted, candidate);
    /* Short names are near to everything. */
    unsigned near = strlen(candidate) < 5 ? 1 : strlen(candidate) < 12 ? 2 : 3;
    if (far > near || (guess->best && far >= guess->distance))
        return;
    guess->best = candidate;
    guess->distance = far;
}

const char *script_guess_push(lua_State *lua, const struct script_guess *guess)
{
    if (!guess->best)
        return lua_pushliteral(lua, "");
    return lua_pushfstring(lua, "; did you mean '%s'?", guess->best);
}

/* Open addressing; the number of places is a power of two and at most three quarters are taken. */
#include "cli/marks.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

#define PLACES_MIN 1024u

struct mark {
    uint64_t mark;
    uint64_t line; /* 0: a free place. */
};

void marks_free(struct marks *marks)
{
    free(marks->at);
    *marks = (struct marks){.at = NULL};
}

static struct mark *place_of(const struct marks *marks, uint64_t mark)
{
    size_t place = (size_t)(mark ^ mark >> 32) & (marks->places - 1);
    while (marks->at[place].line != 0 && marks->at[place].mark != mark)
        place = (place + 1) & (marks->places - 1);
    return &marks->at[place];
}

uint64_t marks_find(const struct marks *marks, uint64_t mark)
{
    return marks->places ? place_of(marks, mark)->line : 0;
}

static void grow(struct marks *marks)
{
    struct marks wider = {.places = marks->places ? marks->places * 2 : PLACES_MIN,
                          .taken = marks->taken};
    wider.at = calloc(wider.places, sizeof *wider.at);
    if (!wider.at) {
        fputs("kontor: out of memory\n", stderr);
        exit(CLI_REFUSED);
    }
    for (size_t i = 0; i < marks->places; i++)
        if (marks->at[i].line != 0)
            *place_of(&wider, marks->at[i].mark) = marks->at[i];
    free(marks->at);
    *marks = wider;
}

void marks_add(struct marks *marks, uint64_t mark, uint64_t line)
{
    if ((marks->taken + 1) * 4 > marks->places * 3)
        grow(marks);
    struct mark *place = place_of(marks, mark);
    if (place->line != 0)
        return;
    *place = (struct mark){mark, line};
    marks->taken++;
}

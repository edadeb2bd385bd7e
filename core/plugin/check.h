/** Inside of the check of a plugin's declarations: check.c looks at the module and its entities,
 *  check_field.c at single fields. */
#pragma once

#include "kontor/plugin.h"

struct checker {
    const struct kt_plugin *plugin;
    bool builtin;
    char *why;
    size_t why_size;
};

/** Where a field is declared: which names are the server's own there. Those of a record are taken
 *  for a transition's parameters too; a method's may well be called `id`. */
enum place { IN_RECORD, IN_LINE, IN_METHOD };

/** Says why; always KT_INVALID. */
enum kt_status check_refuse(struct checker *checker, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool check_is_word(const char *text);
bool check_has_state(const struct kt_entity *entity, const char *name);

/** Do a method's parameters keep off those that every request may have? */
enum kt_status check_extras(struct checker *checker, const struct kt_method *method);
/** The fields of a record, with their lines, or parameters (`entity` NULL). `owner` names them. */
enum kt_status check_fields(struct checker *checker, const char *owner,
                            const struct kt_entity *entity, struct kt_fields fields,
                            enum place place);

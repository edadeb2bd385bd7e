/** Private to core/cli: what the commands that ask for records share. command_record.c */
#pragma once

#include "cli/cli.h"

/** The conditions from word `first` on (state=draft 'total>=100'), word 0 being the entity, and
 * those of --where (JSON, may be NULL) as the server's `where`. */
enum cli_exit search_where(struct cli *cli, int first, const char *json, msgpack_object *out);
enum cli_exit search_json_option(struct cli *cli, const char *name, const char *text,
                                 msgpack_object *out);
/** The texts of a repeated option, when there are any. */
void search_set_list(struct cli *cli, struct build_map *params, const char *name,
                     const struct cli_list *list);
/** The plan of an answer, on stderr: on stdout a program may read the table. */
void search_say_plan(const struct cli *cli, const msgpack_object *answer);

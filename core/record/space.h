/** The first byte of every key: which table of the server a row belongs to. */
#pragma once

#include "store/key.h"

enum space {
    SPACE_CATALOG = 'C',     /**< name -> u32 number */
    SPACE_RECORD = 'R',      /**< entity, id -> record bytes */
    SPACE_UNIQUE = 'U',      /**< index, values... -> id */
    SPACE_INDEX = 'I',       /**< index, values..., id -> nothing */
    SPACE_TOTAL = 'T',       /**< total, group values... -> msgpack [count, measures...] */
    SPACE_HISTORY = 'H',     /**< entity, id, version, stamp -> msgpack [at, user, what, changes] */
    SPACE_COUNTER = 'N',     /**< catalog number -> u64 last given out */
    SPACE_EVENT = 'E',       /**< sequence number -> msgpack event */
    SPACE_REQUEST = 'Q',     /**< user, request id -> msgpack {at, method, reply} */
    SPACE_REQUEST_AGE = 'A', /**< instant, user, request id -> nothing: what to forget first */
    SPACE_JOB = 'J',         /**< job name -> instant of its last run */
    SPACE_SECRET = 'S',      /**< kind, name -> bytes that are never sent */
    SPACE_RULE = 'L',        /**< file name -> msgpack {name, hash, ...} */
    SPACE_RULE_TEXT = 'B',   /**< hash -> text of a rule file, of any revision */
    SPACE_RULE_REVISION = 'G', /**< number -> msgpack {revision, at, user, files...} */
    SPACE_RULE_OFF = 'O',      /**< rule -> msgpack {rule, file, failures, error, at}: disabled */
    SPACE_MODULE = 'M',        /**< module name -> msgpack {enabled, schema, upgrades...} */
    SPACE_CHANGED = 'X',       /**< entity, stamp, id -> nothing: what changed since */
    SPACE_WORD = 'W',          /**< entity, word, id -> weight: the full-text index */
    /* 'F' and 'P': contents of files and their chunks, see core/file. */
    SPACE_CUSTOM = 'D', /**< entity name -> msgpack {custom field: its declaration, or 0: asleep} */
    SPACE_FORCE = 'V',  /**< nothing -> u64: registries put in force so far, see core/engine */
    SPACE_KEPT = 'K',   /**< entity -> msgpack list: declarations of the indexes and totals it has;
                             entity, index -> nothing: every record is in it;
                             entity, "fields" -> msgpack list: names its records may hold */
};

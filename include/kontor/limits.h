/** The limits that a stranger can meet on every server. Those that whoever runs one may set are in
 *  core/engine/limits.h. */
#pragma once

#define KT_LIMIT_MESSAGE_BYTES    (4u << 20)  /**< One RPC message. */
#define KT_LIMIT_MESSAGE_DEPTH    32          /**< Nesting of arrays and maps in it. */
#define KT_LIMIT_MESSAGE_ELEMENTS 400000u     /**< Values in it. */
#define KT_LIMIT_ERROR_BYTES      1000u       /**< The message of an error, in each language, */
#define KT_LIMIT_ERROR_FIELD      256u        /**< and the field it names: what is longer is cut. */
#define KT_LIMIT_ARENA_BYTES      (64u << 20) /**< Memory one request may build. */
#define KT_LIMIT_RECORD_BYTES     (1u << 20)  /**< One stored record. */
#define KT_LIMIT_LINES            5000u       /**< Lines of one document. */
#define KT_LIMIT_TEXT             500u       /**< Characters of a text field unless it says more. */
#define KT_LIMIT_TEXT_MAX         65536u     /**< Characters of any text field. */
#define KT_LIMIT_TAGS             64u        /**< Tags of one field. */
#define KT_LIMIT_REFS             1000u      /**< Ids of one KT_REFS field. */
#define KT_LIMIT_FILE_BYTES       (1u << 30) /**< One stored file. */
#define KT_LIMIT_UPLOADS          100u /**< Of one user: files that no record refers to yet. */
#define KT_LIMIT_FILE_CHUNK       (256u << 10) /**< One chunk of it. */
#define KT_LIMIT_ORDER_FIELDS     4u           /**< Fields one search orders by. */
#define KT_LIMIT_GROUPS           10000u       /**< Groups of one aggregate. */
#define KT_LIMIT_BATCH            1000u        /**< Operations of one record.batch. */
#define KT_LIMIT_PREVIEW          500u         /**< Entries of one list of a dry run's preview. */
#define KT_LIMIT_PREVIEW_BYTES    (4u << 20)   /**< Its records and totals, before and after. */
#define KT_LIMIT_KEPT_REPLY_BYTES (4u << 20)   /**< One answer kept for its request_id. */
#define KT_LIMIT_JSON_DEPTH       8u           /**< Nesting of a KT_JSON value. */
#define KT_LIMIT_WHERE_TERMS      64u          /**< Conditions in one search. */
#define KT_LIMIT_WHERE_DEPTH      8u           /**< Nesting of and/or/not in one search. */
#define KT_LIMIT_PAGE             1000u        /**< Records of one answer. */
#define KT_LIMIT_FIELDS           500u         /**< Names in `fields` of one answer. */
#define KT_LIMIT_SCAN             200000u      /**< Records one search may look at. */
#define KT_LIMIT_EVENT_DEPTH      16u          /**< Events that cause events. */
#define KT_LIMIT_EVENTS           10000u       /**< Events of one request. */
#define KT_LIMIT_IMPORT_ROWS      1000u        /**< Rows of one record.import call. */
#define KT_LIMIT_IMPORT_COLUMNS   300u         /**< Columns of it, and of record.export. */
#define KT_LIMIT_EXPORT_BYTES     (256u << 10) /**< At which a page of record.export ends. */
#define KT_LIMIT_RULE_STEPS       5000000u     /**< Lua instructions of one request's rules, */
#define KT_LIMIT_RULE_BYTES       (64u << 20)  /**< memory of the rule engine: as usual. */
#define KT_LIMIT_RULE_FILE_BYTES  (256u << 10)
#define KT_LIMIT_RULE_FILES       500u
#define KT_LIMIT_CUSTOM_ENTITIES                                                                   \
    200u                            /**< Entities that rule files declare; totals and roles, too. */
#define KT_LIMIT_CUSTOM_FIELDS 100u /**< Fields they add to one entity or one of its lines. */
#define KT_LIMIT_CUSTOM_LIST   500u /**< Choices, states, indexes ... of one declaration. */
#define KT_LIMIT_REPLY_BYTES   (32u << 20) /**< One answer, unless the server is told otherwise. */
#define KT_LIMIT_NAME          100u        /**< Characters of any declared name. */

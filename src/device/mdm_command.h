
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Commands as administrators send them: a plist (XML or binary) whose bytes
 * are kept as they are, or a JSON object that becomes one.
 */


#ifndef _MDM_COMMAND_H_INCLUDED_
#define _MDM_COMMAND_H_INCLUDED_


#include "mdm_base.h"
#include "mdm_plist.h"
#include "mdm_schema.h"


typedef struct {
    mdm_str_t                 uuid;          /* CommandUUID, raw */
    mdm_str_t                 request_type;
    mdm_str_t                 body;          /* what a device will get: the
                                                very bytes that came in, but
                                                for JSON and a made UUID */
    plist_t                   dict;          /* its Command */
    mdm_schema_result_t       schema;
    mdm_str_t                 error;         /* why it was refused */
} mdm_command_t;


#define MDM_COMMAND_UUID_MAX  255


/*
 * Reads a command.  "json": the body is {"RequestType":"…", keys …}, with
 * an optional "CommandUUID" beside RequestType, or
 * {"CommandUUID":"…","Command":{"RequestType":"…", …}}; strings at places
 * which the schema calls data are base64, date RFC 3339 (the whole of it in
 * mdm_command_json.h).  A missing CommandUUID is made.  CommandUUID and
 * RequestType are 1 to 255 bytes of UTF-8 without control bytes, whatever
 * "validate" (mdm_validate_e) says.
 * MDM_OK; MDM_DECLINED: command->error, with the key path; MDM_ERROR.
 */
mdm_int_t mdm_command_read(mdm_arena_t *arena, const mdm_str_t *body,
    mdm_uint_t json, mdm_uint_t validate, const mdm_limits_t *limits,
    mdm_command_t *command);


#endif /* _MDM_COMMAND_H_INCLUDED_ */

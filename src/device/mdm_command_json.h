
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The JSON form of a command, made into an XML plist.
 */


#ifndef _MDM_COMMAND_JSON_H_INCLUDED_
#define _MDM_COMMAND_JSON_H_INCLUDED_


#include "mdm_base.h"
#include "mdm_plist.h"


/*
 * Objects, arrays, strings, numbers and booleans become what they are called
 * in a plist, with these exceptions, since JSON has neither data nor date:
 * a string where the schema says data is base64, where it says date RFC 3339,
 * and a number where it says real is a real.  {"$data": "base64"} and
 * {"$date": "RFC 3339"} stand for data and date anywhere.  null, a key that
 * is there twice, a control character and an integer of more than 64 bits
 * are refused.  A CommandUUID is made where there is none.
 *
 * MDM_OK; MDM_DECLINED: *error says where and why; MDM_ERROR: no memory.
 */
mdm_int_t mdm_command_json(mdm_arena_t *arena, const mdm_str_t *json,
    const mdm_limits_t *limits, mdm_str_t *xml, mdm_str_t *error);


#endif /* _MDM_COMMAND_JSON_H_INCLUDED_ */

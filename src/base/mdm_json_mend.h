
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * JSON with odd values in it: what one of them spoils for a parser is mended
 * before it is read again.
 */


#ifndef _MDM_JSON_MEND_H_INCLUDED_
#define _MDM_JSON_MEND_H_INCLUDED_


#include "mdm_json.h"


#define MDM_JSON_MEND_NAMES   4       /* values that are named */
#define MDM_JSON_MEND_NAME    128     /* bytes of a name, at most */


typedef struct {
    mdm_str_t                 json;        /* the text, mended */
    mdm_uint_t                n;           /* values that were odd */
    mdm_str_t                 names[MDM_JSON_MEND_NAMES];
                                           /* the first of them: a path as
                                              "a.b[2].c", with what stood in
                                              the text, cut if it is long */
    mdm_uint_t                nnames;
} mdm_json_mend_t;


/*
 * Makes text of each value that jansson does not take: a number that is too
 * large, a word that is none.  In a string, and in a key, U+FFFD takes the
 * place of half a surrogate pair and of bytes that are no UTF-8, and of a NUL
 * in a key; control bytes and lone backslashes are escaped.  What is no JSON
 * for other reasons stays so.  The text is within "depth" (mdm_json_scan()).
 * Takes linear time, and up to six times the text, if it is full of such
 * bytes.  MDM_OK or MDM_ERROR.
 */
mdm_int_t mdm_json_mend(mdm_arena_t *arena, const mdm_str_t *json,
    mdm_uint_t depth, mdm_json_mend_t *mend);


#endif /* _MDM_JSON_MEND_H_INCLUDED_ */


/*
 * Copyright (C) ngx_mdm_module authors
 *
 * For the unit tests of src/schema/mdm_schema*.c.
 */


#ifndef _MDM_UNIT_SCHEMA_H_INCLUDED_
#define _MDM_UNIT_SCHEMA_H_INCLUDED_


#include "instance.h"
#include "mdm_unit_arena.h"

#include <stdio.h>


static mdm_schema_result_t   result;


#define ERROR  ((const char *) result.error.data)


static inline mdm_int_t
check_plist(const mdm_schema_table_t *table, plist_t command,
    mdm_uint_t strict)
{
    mdm_int_t  rc;

    rc = mdm_schema_check(arena, table, command, strict, &result);

    assert_true((rc == MDM_DECLINED) == (result.error.len != 0));

    return rc;
}


static inline mdm_int_t
check_text(const mdm_schema_table_t *table, const char *xml,
    mdm_uint_t strict)
{
    char       text[4096];
    plist_t    plist;
    mdm_int_t  rc;

    snprintf(text, sizeof(text), "<plist version=\"1.0\">%s</plist>", xml);

    plist = NULL;
    plist_from_xml(text, (uint32_t) strlen(text), &plist);
    assert_non_null(plist);

    rc = check_plist(table, plist, strict);

    plist_free(plist);

    return rc;
}


/* a warning, and no other; a refusal where it is strict */

static inline void
warned(const mdm_schema_table_t *table, const char *xml, const char *text)
{
    assert_int_equal(check_text(table, xml, 0), MDM_OK);
    assert_int_equal(result.nwarnings, 1);
    assert_string_equal((const char *) result.warnings->text.data, text);

    assert_int_equal(check_text(table, xml, 1), MDM_DECLINED);
    assert_string_equal(ERROR, text);
}


static inline const char *
warning(mdm_uint_t n)
{
    mdm_schema_warning_t  *w;

    for (w = result.warnings; w != NULL && n != 0; w = w->next) {
        n--;
    }

    return (w == NULL) ? "" : (const char *) w->text.data;
}


static inline void
starts(const char *text, const char *path)
{
    if (strncmp(text, path, strlen(path)) != 0) {
        fail_msg("\"%s\" does not start with \"%s\"", text, path);
    }
}


#endif /* _MDM_UNIT_SCHEMA_H_INCLUDED_ */

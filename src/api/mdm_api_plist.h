
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * A device's plist as JSON, for those who read results.
 */


#ifndef _MDM_API_PLIST_H_INCLUDED_
#define _MDM_API_PLIST_H_INCLUDED_


#include "mdm_api_json.h"
#include "mdm_plist.h"


/* bytes of a plist that is shown, and of its JSON */

#define MDM_API_PLIST_IN      ((size_t) 4 * 1024 * 1024)
#define MDM_API_PLIST_OUT     ((size_t) 16 * 1024 * 1024)


/*
 * Writes a value: data as base64, a date as RFC 3339 in UTC, a real that is
 * no number as null, a UID of an archive as {"CF$UID":n}; text that is not
 * UTF-8 has U+FFFD.  MDM_OK; MDM_DECLINED: it is over MDM_API_PLIST_OUT, what
 * was written is of no use.
 */
mdm_int_t mdm_api_plist(mdm_json_out_t *j, const char *name, plist_t value);


#endif /* _MDM_API_PLIST_H_INCLUDED_ */

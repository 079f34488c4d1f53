
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Text from outside in messages.
 */


#ifndef _MDM_QUOTE_H_INCLUDED_
#define _MDM_QUOTE_H_INCLUDED_


#include "mdm_base.h"


#define MDM_QUOTE_LEN         64           /* bytes shown, at most */


typedef struct {
    u_char                    data[MDM_QUOTE_LEN + 4];
} mdm_quote_t;


/*
 * Text from outside made fit for a log line or JSON: bytes that would harm
 * are replaced by "?", a long text is cut.  The result is a C string in
 * "quote"; never fails.
 */
const char *mdm_quote(mdm_quote_t *quote, const char *text, size_t len);


#endif /* _MDM_QUOTE_H_INCLUDED_ */

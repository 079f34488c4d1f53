
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Shows text from outside in messages.
 */


#include <string.h>

#include "mdm_quote.h"


static size_t mdm_quote_char(const u_char *p, size_t len);


const char *
mdm_quote(mdm_quote_t *quote, const char *text, size_t len)
{
    size_t         i, n, left;
    u_char        *p;
    const u_char  *s;

    p = quote->data;
    s = (const u_char *) text;
    left = MDM_QUOTE_LEN;

    for (i = 0; i < len; i += n) {
        n = mdm_quote_char(s + i, len - i);

        if (left < ((n == 0) ? 1 : n)) {
            memcpy(p, "...", 3);
            p += 3;
            break;
        }

        if (n == 0) {
            *p++ = '?';
            left--;
            n = 1;
            continue;
        }

        memcpy(p, s + i, n);
        p += n;
        left -= n;
    }

    *p = '\0';

    return (const char *) quote->data;
}


/*
 * The length of a character, 1 to 4; 0: a control character, or no UTF-8.
 * Overlong forms and surrogates are left to mdm_utf8_valid().
 */

static size_t
mdm_quote_char(const u_char *p, size_t len)
{
    size_t     n;
    mdm_str_t  s;

    if (*p < 0x80) {
        return (*p < 0x20 || *p == 0x7f) ? 0 : 1;
    }

    n = (*p >= 0xf0) ? 4 : (*p >= 0xe0) ? 3 : 2;

    if (n > len || (*p == 0xc2 && p[1] < 0xa0)) {
        return 0;
    }

    s.data = (u_char *) p;
    s.len = n;

    return mdm_utf8_valid(&s) ? n : 0;
}

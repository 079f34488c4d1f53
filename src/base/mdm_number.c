
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Numbers as text.
 */


#include <stdio.h>
#include <stdlib.h>

#include "mdm_number.h"


mdm_int_t
mdm_itoa(mdm_arena_t *arena, mdm_str_t *dst, int64_t n)
{
    return mdm_printf(arena, dst, "%lld", (long long) n);
}


int
mdm_real_digits(double n)
{
    int     digits;
    char    buf[MDM_REAL_LEN];
    double  read;

    for (digits = 15; digits < 17; digits++) {
        (void) snprintf(buf, sizeof(buf), "%.*g", digits, n);

        read = strtod(buf, NULL);

        if (!(read < n) && !(read > n)) {
            break;
        }
    }

    return digits;
}


size_t
mdm_real(char dst[MDM_REAL_LEN], double n)
{
    return (size_t) snprintf(dst, MDM_REAL_LEN, "%.*g", mdm_real_digits(n), n);
}

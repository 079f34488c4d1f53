
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Numbers as text.
 */


#ifndef _MDM_NUMBER_H_INCLUDED_
#define _MDM_NUMBER_H_INCLUDED_


#include "mdm_base.h"


/* bytes of a real's text with its NUL, at most: %.17g */
#define MDM_REAL_LEN          32


/* in decimal; MDM_OK or MDM_ERROR */
mdm_int_t mdm_itoa(mdm_arena_t *arena, mdm_str_t *dst, int64_t n);

/*
 * The digits, 15 to 17, that a decimal needs to be read back as the same
 * number.
 */
int mdm_real_digits(double n);

/* the shortest such text, with a NUL; returns its length without it */
size_t mdm_real(char dst[MDM_REAL_LEN], double n);


#endif /* _MDM_NUMBER_H_INCLUDED_ */

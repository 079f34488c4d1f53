
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Dates as JSON has them (RFC 3339), made into those of a plist, and times
 * written in the form that both have.
 */


#ifndef _MDM_DATE_H_INCLUDED_
#define _MDM_DATE_H_INCLUDED_


#include "mdm_base.h"


#define MDM_DATE_LEN          (sizeof("0000-00-00T00:00:00Z") - 1)


/*
 * Writes the MDM_DATE_LEN bytes of the date in UTC; fractions of a second
 * are dropped.  MDM_OK; MDM_DECLINED: not RFC 3339, no such day, a leap
 * second, or not of the years 1 to 9999.
 */
mdm_int_t mdm_date_utc(u_char *dst, const mdm_str_t *text);

/*
 * The same of a number of Unix seconds.  MDM_OK; MDM_DECLINED: not of the
 * years 1 to 9999.
 */
mdm_int_t mdm_date_unix(u_char *dst, int64_t seconds);


#endif /* _MDM_DATE_H_INCLUDED_ */

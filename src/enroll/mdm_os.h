
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Releases of Apple's systems: which one a device has, and which is lower.
 */


#ifndef _MDM_OS_H_INCLUDED_
#define _MDM_OS_H_INCLUDED_


#include "mdm_base.h"


/*
 * The system of a product such as "iPhone17,2": "iOS", "iPadOS", "macOS",
 * "tvOS", "watchOS", "visionOS"; NULL: it is not known.
 */
const char *mdm_os_name(const mdm_str_t *product);

/*
 * Is "have" lower than "want", number by number?  A number that is not there is
 * 0; a Rapid Security Response, "16.1 (a)", is higher than what it is for;
 * "extra" is that of "have" where it was told apart, or empty.  1; 0: it is
 * not, or cannot be told.
 */
mdm_uint_t mdm_os_lower(const mdm_str_t *have, const mdm_str_t *extra,
    const mdm_str_t *want);

/* "18", "18.1.2" or "16.1 (a)": 1, else 0 */
mdm_uint_t mdm_os_valid(const mdm_str_t *version);


#endif /* _MDM_OS_H_INCLUDED_ */

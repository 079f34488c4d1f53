
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The systems of Apple's schema, and which one a device has.
 */


#ifndef _MDM_DDM_SYSTEM_H_INCLUDED_
#define _MDM_DDM_SYSTEM_H_INCLUDED_


#include "mdm_base.h"


/* in the order of mdm_ddm_item_t.since */

enum {
    MDM_DDM_IOS = 0,                   /* iPadOS, too */
    MDM_DDM_MACOS,
    MDM_DDM_TVOS,
    MDM_DDM_VISIONOS,
    MDM_DDM_WATCHOS,
    MDM_DDM_SYSTEMS                    /* another one, or not known */
};


/* the system of a device by Authenticate's ProductName, e.g. "iPad13,1" */
mdm_uint_t mdm_ddm_system(const mdm_str_t *product);

/* the system of a name as Apple writes it, e.g. "macOS" */
mdm_uint_t mdm_ddm_system_named(const mdm_str_t *name);

/* the name of a system, a constant */
const char *mdm_ddm_system_name(mdm_uint_t system);

/*
 * Orders versions, e.g. "17.4.1": less than 0, 0, more than 0.  A part that
 * is missing is 0, and what follows the digits of a part does not count.
 */
mdm_int_t mdm_ddm_version_cmp(const mdm_str_t *a, const mdm_str_t *b);


#endif /* _MDM_DDM_SYSTEM_H_INCLUDED_ */

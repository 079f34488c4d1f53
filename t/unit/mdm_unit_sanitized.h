
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * Is this built with a sanitizer?  It has its own allocator, and is slow.
 */


#ifndef _MDM_UNIT_SANITIZED_H_INCLUDED_
#define _MDM_UNIT_SANITIZED_H_INCLUDED_


#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED     1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED     1
#endif
#endif

#ifndef SANITIZED
#define SANITIZED     0
#endif


#endif /* _MDM_UNIT_SANITIZED_H_INCLUDED_ */

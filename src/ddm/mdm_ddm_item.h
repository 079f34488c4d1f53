
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The status items that Apple's schema names.
 */


#ifndef _MDM_DDM_ITEM_H_INCLUDED_
#define _MDM_DDM_ITEM_H_INCLUDED_


#include "mdm_base.h"


typedef struct {
    mdm_str_t                 name;
} mdm_ddm_item_t;


/* the item of this name, or NULL */
const mdm_ddm_item_t *mdm_ddm_item_find(const mdm_str_t *name);

/* 1 if the name of an item begins with this one and a dot, else 0 */
mdm_uint_t mdm_ddm_item_prefix(const mdm_str_t *name);


#endif /* _MDM_DDM_ITEM_H_INCLUDED_ */

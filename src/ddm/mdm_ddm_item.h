
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * The status items that Apple's schema names.
 */


#ifndef _MDM_DDM_ITEM_H_INCLUDED_
#define _MDM_DDM_ITEM_H_INCLUDED_


#include "mdm_base.h"
#include "mdm_ddm_system.h"


typedef struct {
    mdm_str_t                 name;
    int                       type;        /* a letter as those of
                                              mdm_schema_node_t; 0: any */
    mdm_uint_t                elements;    /* 1: an array whose elements have
                                              an identifier, by which they come
                                              and go */
    const char               *since[MDM_DDM_SYSTEMS];
                                           /* the first version that has it;
                                              "": the system has not */
} mdm_ddm_item_t;


/* all of them, in the order of their bytes: generated */

extern const mdm_ddm_item_t  mdm_ddm_items[];
extern const mdm_uint_t      mdm_ddm_nitems;


/* the item of this name, or NULL */
const mdm_ddm_item_t *mdm_ddm_item_find(const mdm_str_t *name);

/* 1 if it is the name of an array whose elements have an identifier, else 0 */
mdm_uint_t mdm_ddm_item_named(const mdm_str_t *name);

/* 1 if the name of an item begins with this one and a dot, else 0 */
mdm_uint_t mdm_ddm_item_prefix(const mdm_str_t *name);

/*
 * The item that a dotted path belongs to: the longest one that is the path or
 * ends at one of its dots; NULL: none.
 */
const mdm_ddm_item_t *mdm_ddm_item_owner(const mdm_str_t *path);


#endif /* _MDM_DDM_ITEM_H_INCLUDED_ */

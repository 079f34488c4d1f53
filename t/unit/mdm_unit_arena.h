
/*
 * Copyright (C) ngx_mdm_module authors
 *
 * An arena for each test of a file: setup and teardown.
 */


#ifndef _MDM_UNIT_ARENA_H_INCLUDED_
#define _MDM_UNIT_ARENA_H_INCLUDED_


#include "mdm_base.h"


static mdm_arena_t  *arena;


static inline int
setup(void **state)
{
    (void) state;

    arena = mdm_arena_create(4096);

    return arena == NULL;
}


static inline int
teardown(void **state)
{
    (void) state;

    mdm_arena_destroy(arena);

    return 0;
}


#endif /* _MDM_UNIT_ARENA_H_INCLUDED_ */
